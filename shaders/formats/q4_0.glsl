// q4_0: weight = d * (q - 8). Header: the eight d of 256 columns as halves. Body: 32 nibbles in ggml's order.
#define WEIGHT_HEADER_CHUNKS 1
#define WEIGHT_BODY_CHUNKS 1
#define WEIGHT_SUB_BLOCK 32
#define WEIGHT_HAS_MIN 1
#define WEIGHT_Q_RAW_FACTOR(i) NIBBLE_RAW_FACTOR(i)

struct WeightHeader {
  uvec4 scales;
};
WeightHeader weight_header(uvec4 chunks[1]) {
  return WeightHeader(chunks[0]);
}

struct WeightBlock {
  uvec4 nibbles;
  float scale;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  return WeightBlock(body[0], chunk_half(header.scales, b));
}

float weight_q(WeightBlock block, int i) {
  return nibble(block.nibbles, i);
}
float weight_q_raw(WeightBlock block, int i) {
  return nibble_raw(block.nibbles, i);
}
float weight_scale(WeightBlock block, int k) {
  return block.scale;
}
float weight_min(WeightBlock block, int k) {
  return -8.0 * block.scale;
}
float weight_value(WeightBlock block, int i) {
  precise float value = block.scale * (weight_q(block, i) - 8.0);
  return value;
}
