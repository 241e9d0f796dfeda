// q2_k: weight = d * sc * q - dmin * m, with a 4-bit sc and m for each 16 columns. No header. Body: words 0 and 1 hold q (bits 8e + 2j: columns
// 4j + e and 16 + 4j + e), words 2 and 3 d and dmin as floats, whose low 13 bits are free since they were halves: bits 0..3 and 4..7 of word 2 are sc
// and m of the first, of word 3 of the second 16 columns. 16 bytes more than 3 bits per weight spare a header that would be mostly unused.
#define WEIGHT_HEADER_CHUNKS 0
#define WEIGHT_BODY_CHUNKS 1
#define WEIGHT_SUB_BLOCK 16
#define WEIGHT_HAS_MIN 1

// Two bits: the raw number stays where it lies; only the topmost is shifted down, lest it become the sign.
#define CRUMB_POSITION(i) (8 * ((i) & 3) + 2 * (((i) >> 2) & 3))
#define CRUMB_DOWN(i) (CRUMB_POSITION(i) / 30 * 30)
#define CRUMB_RAW_FACTOR(i) (1.0 / float(1u << (CRUMB_POSITION(i) - CRUMB_DOWN(i))))
#define WEIGHT_Q_RAW_FACTOR(i) CRUMB_RAW_FACTOR(i)

struct WeightHeader {
  uint unused;
};
WeightHeader weight_header(uvec4 chunks[1]) {
  return WeightHeader(0u);
}

struct WeightBlock {
  uvec2 q;
  vec2 scales;
  vec2 mins;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  uvec2 words = body[0].zw;
  vec2 d_dmin = uintBitsToFloat(words & 0xffffe000u);
  return WeightBlock(body[0].xy, d_dmin.x * vec2(words & 15u), -d_dmin.y * vec2((words >> 4) & 15u));
}

float weight_q(WeightBlock block, int i) {
  return float(int((block.q[i >> 4] >> CRUMB_POSITION(i)) & 3u));
}
float weight_q_raw(WeightBlock block, int i) {
  return float(int((block.q[i >> 4] >> CRUMB_DOWN(i)) & (3u << (CRUMB_POSITION(i) - CRUMB_DOWN(i)))));
}
float weight_scale(WeightBlock block, int k) {
  return block.scales[k];
}
float weight_min(WeightBlock block, int k) {
  return block.mins[k];
}
float weight_value(WeightBlock block, int i) {
  precise float product = block.scales[i >> 4] * weight_q(block, i);
  precise float value = product + block.mins[i >> 4];
  return value;
}
