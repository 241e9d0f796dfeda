// q8_0: weight = d * q with q a signed byte. Header: the eight d of 256 columns as halves. Body: 32 bytes, byte i is column i.
#define WEIGHT_HEADER_CHUNKS 1
#define WEIGHT_BODY_CHUNKS 2
#define WEIGHT_SUB_BLOCK 32
#define WEIGHT_HAS_MIN 0
// The raw number keeps the byte on top of a word, where its sign is the word's sign.
#define WEIGHT_Q_RAW_FACTOR(i) 5.9604644775390625e-8

struct WeightHeader {
  uvec4 scales;
};
WeightHeader weight_header(uvec4 chunks[1]) {
  return WeightHeader(chunks[0]);
}

struct WeightBlock {
  uvec4 chunks[2];
  float scale;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[2], uint b) {
  return WeightBlock(body, chunk_half(header.scales, b));
}

float weight_q(WeightBlock block, int i) {
  return float(int(block.chunks[i >> 4][(i & 15) >> 2] << (24 - 8 * (i & 3))) >> 24);
}
float weight_q_raw(WeightBlock block, int i) {
  return float(int((block.chunks[i >> 4][(i & 15) >> 2] << (24 - 8 * (i & 3))) & 0xff000000u));
}
float weight_scale(WeightBlock block, int k) {
  return block.scale;
}
float weight_min(WeightBlock block, int k) {
  return 0.0;
}
float weight_value(WeightBlock block, int i) {
  precise float value = block.scale * weight_q(block, i);
  return value;
}
