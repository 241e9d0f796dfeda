// f32: eight chunks of four floats.
#define WEIGHT_HEADER_CHUNKS 0
#define WEIGHT_BODY_CHUNKS 8
#define WEIGHT_SUB_BLOCK 0
#define WEIGHT_HAS_MIN 0
#define WEIGHT_Q_RAW_FACTOR(i) 1.0

struct WeightHeader {
  uint unused;
};
WeightHeader weight_header(uvec4 chunks[1]) {
  return WeightHeader(0u);
}

struct WeightBlock {
  uvec4 chunks[8];
};
WeightBlock weight_block(WeightHeader header, uvec4 body[8], uint b) {
  return WeightBlock(body);
}

float weight_q(WeightBlock block, int i) {
  return uintBitsToFloat(block.chunks[i >> 2][i & 3]);
}
float weight_q_raw(WeightBlock block, int i) {
  return weight_q(block, i);
}
float weight_scale(WeightBlock block, int k) {
  return 1.0;
}
float weight_min(WeightBlock block, int k) {
  return 0.0;
}
float weight_value(WeightBlock block, int i) {
  return weight_q(block, i);
}
