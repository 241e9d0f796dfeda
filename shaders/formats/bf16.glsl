// bf16: four chunks of eight bfloat16 (the upper half of a float), the even column in the low half of a word.
#define WEIGHT_HEADER_CHUNKS 0
#define WEIGHT_BODY_CHUNKS 4
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
  uvec4 chunks[4];
};
WeightBlock weight_block(WeightHeader header, uvec4 body[4], uint b) {
  return WeightBlock(body);
}

float weight_q(WeightBlock block, int i) {
  return uintBitsToFloat((block.chunks[i >> 3][(i >> 1) & 3] << (16 - 16 * (i & 1))) & 0xffff0000u);
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
