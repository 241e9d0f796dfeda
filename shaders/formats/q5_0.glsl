// q5_0: weight = d * (q - 16). Header: the eight d of 256 columns as halves; then a word per block with the fifth bits (see fifth_bits_low).
// Body: the lower nibbles in ggml's order.
#define WEIGHT_HEADER_CHUNKS 3
#define WEIGHT_BODY_CHUNKS 1
#define WEIGHT_SUB_BLOCK 32
#define WEIGHT_HAS_MIN 1
#define WEIGHT_Q_RAW_FACTOR(i) SMALL_BYTE_RAW_FACTOR(i)

struct WeightHeader {
  uvec4 scales;
  uvec4 fifth[2];
};
WeightHeader weight_header(uvec4 chunks[3]) {
  uvec4 fifth[2];
  fifth[0] = chunks[1];
  fifth[1] = chunks[2];
  return WeightHeader(chunks[0], fifth);
}

struct WeightBlock {
  uvec4 q[2];
  float scale;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  uint fifth = chunk_word(header.fifth[0], header.fifth[1], b);
  uvec4 q[2];
  q[0] = low_nibbles(body[0]) | fifth_bits_low(fifth);
  q[1] = high_nibbles(body[0]) | fifth_bits_high(fifth);
  return WeightBlock(q, chunk_half(header.scales, b));
}

float weight_q(WeightBlock block, int i) {
  return small_byte(block.q, i);
}
float weight_q_raw(WeightBlock block, int i) {
  return small_byte_raw(block.q, i);
}
float weight_scale(WeightBlock block, int k) {
  return block.scale;
}
float weight_min(WeightBlock block, int k) {
  return -16.0 * block.scale;
}
float weight_value(WeightBlock block, int i) {
  precise float value = block.scale * (weight_q(block, i) - 16.0);
  return value;
}
