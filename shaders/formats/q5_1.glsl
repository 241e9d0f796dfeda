// q5_1: weight = d * q + m. Header: word b of two chunks holds d (low half) and m (high half) of block b; then a word per block with the fifth bits
// (see five_bit_word). Body: the lower nibbles in ggml's order.
#define WEIGHT_HEADER_CHUNKS 4
#define WEIGHT_BODY_CHUNKS 1
#define WEIGHT_SUB_BLOCK 32
#define WEIGHT_HAS_MIN 1
#define WEIGHT_Q_RAW_FACTOR(i) SMALL_BYTE_RAW_FACTOR(i)

struct WeightHeader {
  uvec4 scales_mins[2];
  uvec4 fifth[2];
};
WeightHeader weight_header(uvec4 chunks[4]) {
  uvec4 scales_mins[2];
  scales_mins[0] = chunks[0];
  scales_mins[1] = chunks[1];
  uvec4 fifth[2];
  fifth[0] = chunks[2];
  fifth[1] = chunks[3];
  return WeightHeader(scales_mins, fifth);
}

struct WeightBlock {
  uvec4 nibbles;
  uint fifth;
  vec2 scale_min;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  uint fifth = chunk_word(header.fifth[0], header.fifth[1], b);
  return WeightBlock(body[0], fifth, unpackHalf2x16(chunk_word(header.scales_mins[0], header.scales_mins[1], b)));
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
