// Stores 32 elements of one head in a key/value cache of the type chosen with -DCACHE_<TYPE> (layout: runtime/ops/kv_cache_layout.h).
// Before including: declare the cache buffer as `CACHE_WORD cache[]`, readable and writable, after including cache_word.glsl.
//
//   store_block(z, b, chunks, values_at, scales_at, row, head_dim)
//     z           the elements 32b .. 32b+31 of the head's row in chunks of four, of which `chunks` exist (all 8 in quantised types)
//     values_at   word at which the region of values starts, scales_at that of scales; row: group * capacity + position
//
// q8_0 and q4_0 follow ggml's reference quantisers: levels come from the scale before it is rounded to a half.
#ifndef REGROUP_POSITION_BLOCK_ENCODE_GLSL
#define REGROUP_POSITION_BLOCK_ENCODE_GLSL

#if defined(CACHE_F32)

void store_block(vec4 z[8], uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim) {
  uint at = values_at / 4u + row * (head_dim / 4u) + 8u * b;
  [[unroll]] for (int c = 0; c < 8; ++c) {
    if (uint(c) < chunks) cache[at + uint(c)] = floatBitsToUint(z[c]);
  }
}

#elif defined(CACHE_F16)

void store_block(vec4 z[8], uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim) {
  uint at = values_at / 4u + row * (head_dim / 8u) + 4u * b;
  [[unroll]] for (int c = 0; c < 4; ++c) {
    uvec4 halves = uvec4(packHalf2x16(z[2 * c].xy), packHalf2x16(z[2 * c].zw), packHalf2x16(z[2 * c + 1].xy), packHalf2x16(z[2 * c + 1].zw));
    if (uint(2 * c) < chunks) cache[at + uint(c)] = halves;
  }
}

#else

// Rows may hold an odd number of scales, so that two invocations may own the halves of one word.
void store_scale(uint scales_at, uint index, float scale) {
  uint shift = 16u * (index & 1u);
  atomicAnd(cache[scales_at + index / 2u], ~(0xffffu << shift));
  atomicOr(cache[scales_at + index / 2u], packHalf2x16(vec2(scale, 0.0)) << shift);
}

#if defined(CACHE_Q8_0)

void store_block(vec4 z[8], uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim) {
  vec4 largest = vec4(0.0);
  [[unroll]] for (int c = 0; c < 8; ++c) largest = max(largest, abs(z[c]));
  float scale = max(max(largest.x, largest.y), max(largest.z, largest.w)) / 127.0;
  float inverse = mix(1.0 / scale, 0.0, scale == 0.0);
  uint at = values_at + row * (head_dim / 4u) + 8u * b;
  [[unroll]] for (int c = 0; c < 8; ++c) {
    vec4 level = z[c] * inverse;
    // Halves away from zero, as C's roundf.
    uvec4 q = uvec4(ivec4(level + mix(vec4(0.5), vec4(-0.5), lessThan(level, vec4(0.0))))) & 0xffu;
    cache[at + uint(c)] = q.x | (q.y << 8) | (q.z << 16) | (q.w << 24);
  }
  store_scale(scales_at, row * (head_dim / 32u) + b, scale);
}

#elif defined(CACHE_Q4_0)

// What has the larger magnitude, with its sign; the first of equals.
vec4 extreme_of(vec4 first, vec4 second) {
  return mix(first, second, greaterThan(abs(second), abs(first)));
}

void store_block(vec4 z[8], uint b, uint chunks, uint values_at, uint scales_at, uint row, uint head_dim) {
  vec4 extremes = z[0];
  [[unroll]] for (int c = 1; c < 8; ++c) extremes = extreme_of(extremes, z[c]);
  extremes = extreme_of(extremes, extremes.zwxy);
  // The element of largest magnitude becomes level 0, which stands for -8.
  float scale = extreme_of(extremes, extremes.yxwz).x / -8.0;
  float inverse = mix(1.0 / scale, 0.0, scale == 0.0);
  uint at = values_at + row * (head_dim / 8u) + 4u * b;
  [[unroll]] for (int w = 0; w < 4; ++w) {
    uvec4 low = uvec4(clamp(z[2 * w] * inverse + 8.5, 0.0, 15.0));
    uvec4 high = uvec4(clamp(z[2 * w + 1] * inverse + 8.5, 0.0, 15.0));
    cache[at + uint(w)] = low.x | (low.y << 4) | (low.z << 8) | (low.w << 12) | (high.x << 16) | (high.y << 20) | (high.z << 24) | (high.w << 28);
  }
  store_scale(scales_at, row * (head_dim / 32u) + b, scale);
}

#endif
#endif

#endif
