// q3_k: weight = d * (sc - 32) * (q - 4), with a 6-bit sc for each 16 columns. No header. Body: words 0 and 1 hold the lower two bits (bits 8e + 2j:
// columns 4j + e and 16 + 4j + e), word 2 the upper bits (bit 8e + j: column 4j + e), word 3 d as a float, whose low 13 bits are free since d was
// a half: bits 0..5 and 6..11 are the two sc.
#define WEIGHT_HEADER_CHUNKS 0
#define WEIGHT_BODY_CHUNKS 1
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
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  uvec2 low = body[0].xy;
  uint high = body[0].z;
  uvec4 q[2];
  q[0] = (uvec4(low.x, low.x >> 2, low.x >> 4, low.x >> 6) & 0x03030303u) | (uvec4(high << 2, high << 1, high, high >> 1) & 0x04040404u);
  q[1] = (uvec4(low.y, low.y >> 2, low.y >> 4, low.y >> 6) & 0x03030303u) | (uvec4(high >> 2, high >> 3, high >> 4, high >> 5) & 0x04040404u);
  vec2 numbers = vec2(uvec2(body[0].w, body[0].w >> 6) & 63u) - 32.0;
  return WeightBlock(q, uintBitsToFloat(body[0].w & 0xffffe000u) * numbers);
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
  return -4.0 * block.scales[k];
}
float weight_value(WeightBlock block, int i) {
  precise float value = weight_scale(block, i >> 4) * (weight_q(block, i) - 4.0);
  return value;
}
