// q5_0: weight = d * (q - 16). Header: the eight d of 256 columns as halves; then a word per block with the fifth bits (see five_bit_word).
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
  uvec4 nibbles;
  uint fifth;
  float scale;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  return WeightBlock(body[0], chunk_word(header.fifth[0], header.fifth[1], b), chunk_half(header.scales, b));
}

float weight_q(WeightBlock block, int i) {
  return five_bits(block.nibbles, block.fifth, i);
}
float weight_q_raw(WeightBlock block, int i) {
  return five_bits_raw(block.nibbles, block.fifth, i);
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
