// Loads 32 elements of one head from a key/value cache (layout: runtime/ops/kv_cache_layout.h). Included once per buffer to read, with
//   BLOCK_TYPE     0 f32, 1 f16, 2 q8_0, 3 q4_0: the order of shaders/attention/cache_types.def
//   BLOCK_BUFFER   the array: uvec4 for f32 and f16, uint for the quantised types
//   LOAD_BLOCK     name of the function to define, LOAD_SCALE: of its helper
//
//   LOAD_BLOCK(b, chunks, values_at, scales_at, row, head_dim, out z)    the counterpart of store_block in shaders/position/block_encode.glsl;
//                                                                         chunks that do not exist repeat the last one
#if BLOCK_TYPE == 0

void LOAD_BLOCK(uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim, out vec4 z[8]) {
  uint at = values_at / 4u + row * (head_dim / 4u) + 8u * b;
  [[unroll]] for (int c = 0; c < 8; ++c) z[c] = uintBitsToFloat(BLOCK_BUFFER[at + min(uint(c), chunks - 1u)]);
}

#elif BLOCK_TYPE == 1

void LOAD_BLOCK(uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim, out vec4 z[8]) {
  uint at = values_at / 4u + row * (head_dim / 8u) + 4u * b;
  [[unroll]] for (int c = 0; c < 4; ++c) {
    uvec4 halves = BLOCK_BUFFER[at + min(uint(c), chunks / 2u - 1u)];
    z[2 * c] = vec4(unpackHalf2x16(halves.x), unpackHalf2x16(halves.y));
    z[2 * c + 1] = vec4(unpackHalf2x16(halves.z), unpackHalf2x16(halves.w));
  }
}

#else

float LOAD_SCALE(uint scales_at, uint index) {
  return unpackHalf2x16(BLOCK_BUFFER[scales_at + index / 2u] >> (16u * (index & 1u))).x;
}

#if BLOCK_TYPE == 2

void LOAD_BLOCK(uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim, out vec4 z[8]) {
  float scale = LOAD_SCALE(scales_at, row * (head_dim / 32u) + b);
  uint at = values_at + row * (head_dim / 4u) + 8u * b;
  [[unroll]] for (int c = 0; c < 8; ++c) {
    uint word = BLOCK_BUFFER[at + uint(c)];
    z[c] = scale * vec4(ivec4(word << 24, word << 16, word << 8, word) >> 24);
  }
}

#elif BLOCK_TYPE == 3

void LOAD_BLOCK(uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim, out vec4 z[8]) {
  float scale = LOAD_SCALE(scales_at, row * (head_dim / 32u) + b);
  uint at = values_at + row * (head_dim / 8u) + 4u * b;
  [[unroll]] for (int w = 0; w < 4; ++w) {
    uint word = BLOCK_BUFFER[at + uint(w)];
    z[2 * w] = scale * (vec4(uvec4(word, word >> 4, word >> 8, word >> 12) & 15u) - 8.0);
    z[2 * w + 1] = scale * (vec4(uvec4(word >> 16, word >> 20, word >> 24, word >> 28) & 15u) - 8.0);
  }
}

#endif
#endif
#undef BLOCK_TYPE
#undef BLOCK_BUFFER
#undef LOAD_BLOCK
#undef LOAD_SCALE
