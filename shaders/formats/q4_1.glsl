// q4_1: weight = d * q + m. Header: word b holds d (low half) and m (high half) of block b. Body: 32 nibbles in ggml's order.
#define WEIGHT_HEADER_CHUNKS 2
#define WEIGHT_BODY_CHUNKS 1
#define WEIGHT_SUB_BLOCK 32
#define WEIGHT_HAS_MIN 1
#define WEIGHT_Q_RAW_FACTOR(i) NIBBLE_RAW_FACTOR(i)

struct WeightHeader {
  uvec4 scales_mins[2];
};
WeightHeader weight_header(uvec4 chunks[2]) {
  return WeightHeader(chunks);
}

struct WeightBlock {
  uvec4 nibbles;
  vec2 scale_min;
};
WeightBlock weight_block(WeightHeader header, uvec4 body[1], uint b) {
  return WeightBlock(body[0], unpackHalf2x16(chunk_word(header.scales_mins[0], header.scales_mins[1], b)));
}

float weight_q(WeightBlock block, int i) {
  return nibble(block.nibbles, i);
}
float weight_q_raw(WeightBlock block, int i) {
  return nibble_raw(block.nibbles, i);
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
