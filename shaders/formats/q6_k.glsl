// q6_k: weight = d * sc * (q - 32), with a signed sc for each 16 columns. No header. Body: a chunk with the lower nibbles in q4_0's order; a chunk with
// the upper two bits (bits 8e + 2j of words 0 and 1: columns 4j + e and 16 + 4j + e) and with the two products d * sc as floats. They are exact
// there; 64 bytes more than ggml's block save every kernel the selects and registers that a header with high bits costs.
#define WEIGHT_HEADER_CHUNKS 0
#define WEIGHT_BODY_CHUNKS 2
#define WEIGHT_SUB_BLOCK 16
#define WEIGHT_HAS_MIN 1
#define WEIGHT_Q_RAW_FACTOR(i) SMALL_BYTE_RAW_FACTOR(i)

struct WeightHeader {
  uint unused;
};
WeightHeader weight_header(uvec4 chunks[1]) {
  return WeightHeader(0u);
}

struct WeightBlock {
  uvec4 q[2];
  vec2 scales;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[2], uint b) {
  uvec2 high = body[1].xy;
  uvec4 q[2];
  q[0] = low_nibbles(body[0]) | (uvec4(high.x << 4, high.x << 2, high.x, high.x >> 2) & 0x30303030u);
  q[1] = high_nibbles(body[0]) | (uvec4(high.y << 4, high.y << 2, high.y, high.y >> 2) & 0x30303030u);
  return WeightBlock(q, uintBitsToFloat(body[1].zw));
}

float weight_q(WeightBlock block, int i) {
  return small_byte(block.q, i);
}
float weight_q_raw(WeightBlock block, int i) {
  return small_byte_raw(block.q, i);
}
float weight_scale(WeightBlock block, int k) {
  return block.scales[k];
}
float weight_min(WeightBlock block, int k) {
  return -32.0 * block.scales[k];
}
float weight_value(WeightBlock block, int i) {
  precise float value = weight_scale(block, i >> 4) * (weight_q(block, i) - 32.0);
  return value;
}
