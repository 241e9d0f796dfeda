// q5_k: weight = d * sc * q - dmin * m, with a 6-bit sc and m for each 32 columns. Header: see packed_scale_min; then a word per block with the
// fifth bits (see five_bit_word). Body: the lower nibbles as in q4_0.
#define WEIGHT_HEADER_CHUNKS 3
#define WEIGHT_BODY_CHUNKS 1
#define WEIGHT_SUB_BLOCK 32
#define WEIGHT_HAS_MIN 1
#define WEIGHT_Q_RAW_FACTOR(i) SMALL_BYTE_RAW_FACTOR(i)

struct WeightHeader {
  uvec4 scales_mins;
  uvec4 fifth[2];
  vec2 d_dmin;
};
WeightHeader weight_header(uvec4 chunks[3]) {
  uvec4 fifth[2];
  fifth[0] = chunks[1];
  fifth[1] = chunks[2];
  return WeightHeader(chunks[0], fifth, vec2(half_to_float(chunks[0].w), -half_to_float(chunks[0].w >> 16)));
}

struct WeightBlock {
  uvec4 nibbles;
  uint fifth;
  vec2 scale_min;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  uint fifth = chunk_word(header.fifth[0], header.fifth[1], b);
  return WeightBlock(body[0], fifth, header.d_dmin * vec2(packed_scale_min(header.scales_mins, b)));
}

float weight_q(WeightBlock block, int i) {
  return five_bits(block.nibbles, block.fifth, i);
}
float weight_q_raw(WeightBlock block, int i) {
  return five_bits_raw(block.nibbles, block.fifth, i);
}
float weight_scale(WeightBlock block, int k) {
  return block.scale_min.x;
}
float weight_min(WeightBlock block, int k) {
  return block.scale_min.y;
}
float weight_value(WeightBlock block, int i) {
  precise float product = block.scale_min.x * weight_q(block, i);
  precise float value = product + block.scale_min.y;
  return value;
}
