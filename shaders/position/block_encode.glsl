// Stores 32 elements of one head in a key/value cache of the type chosen with -DCACHE_<TYPE> (layout: runtime/ops/kv_cache_layout.h).
// Before including: declare `uint cache[]`, the cache buffer as words, writable.
//
//   store_block(values, b, elements, values_at, row, row_words, scales_at, scales_per_row)
//     values      the elements 32b .. 32b+31 of the head's row, of which `elements` exist (a multiple of 4; all 32 in quantised types)
//     values_at   word at which the region of values starts; row: group * capacity + position; row_words: words of a row of values
//     scales_at   word at which the region of scales starts; scales_per_row: halves
//
// Conversions do not depend on the driver: halves are rounded to nearest even in integers, subnormals included.
// q8_0 and q4_0 follow ggml's reference quantisers: levels come from the scale before it is rounded to a half.
#ifndef REGROUP_POSITION_BLOCK_ENCODE_GLSL
#define REGROUP_POSITION_BLOCK_ENCODE_GLSL

// The binary16 nearest to `value`; overflow becomes infinity.
uint half_bits(float value) {
  uint bits = floatBitsToUint(value);
  uint magnitude = bits & 0x7fffffffu;
  uint normal = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  // Below 2^-14: adding 0.5 leaves the subnormal half in the low bits, rounded by the adder.
  uint subnormal = floatBitsToUint(uintBitsToFloat(magnitude) + 0.5) - 0x3f000000u;
  uint half_magnitude = mix(normal, subnormal, magnitude < 0x38800000u);
  half_magnitude = mix(half_magnitude, 0x7c00u, magnitude >= 0x477ff000u);
  half_magnitude = mix(half_magnitude, 0x7e00u, magnitude > 0x7f800000u);
  return half_magnitude | ((bits >> 16) & 0x8000u);
}

uint half_pair(float low, float high) {
  return half_bits(low) | (half_bits(high) << 16);
}

// Scales are halves and rows may hold an odd number of them, so that two invocations may own the halves of one word.
void store_scale(uint scales_at, uint index, float scale) {
  uint shift = 16u * (index & 1u);
  atomicAnd(cache[scales_at + index / 2u], ~(0xffffu << shift));
  atomicOr(cache[scales_at + index / 2u], half_bits(scale) << shift);
}

#if defined(CACHE_F32)
void store_block(float values[32], uint b, uint elements, uint values_at, uint row, uint row_words, uint scales_at, uint scales_per_row) {
  uint at = values_at + row * row_words + 32u * b;
  [[unroll]] for (int i = 0; i < 32; ++i) {
    if (uint(i) < elements) cache[at + uint(i)] = floatBitsToUint(values[i]);
  }
}
#elif defined(CACHE_F16)
void store_block(float values[32], uint b, uint elements, uint values_at, uint row, uint row_words, uint scales_at, uint scales_per_row) {
  uint at = values_at + row * row_words + 16u * b;
  [[unroll]] for (int i = 0; i < 16; ++i) {
    if (uint(2 * i) < elements) cache[at + uint(i)] = half_pair(values[2 * i], values[2 * i + 1]);
  }
}
#elif defined(CACHE_Q8_0)
void store_block(float values[32], uint b, uint elements, uint values_at, uint row, uint row_words, uint scales_at, uint scales_per_row) {
  float largest = 0.0;
  [[unroll]] for (int i = 0; i < 32; ++i) largest = max(largest, abs(values[i]));
  float scale = largest / 127.0;
  float inverse = mix(1.0 / scale, 0.0, scale == 0.0);
  uint at = values_at + row * row_words + 8u * b;
  [[unroll]] for (int i = 0; i < 8; ++i) {
    uint word = 0u;
    [[unroll]] for (int e = 0; e < 4; ++e) {
      // Halves away from zero, as C's roundf.
      float level = values[4 * i + e] * inverse;
      word |= (uint(int(sign(level) * floor(abs(level) + 0.5))) & 0xffu) << (8 * e);
    }
    cache[at + uint(i)] = word;
  }
  store_scale(scales_at, row * scales_per_row + b, scale);
}
#elif defined(CACHE_Q4_0)
void store_block(float values[32], uint b, uint elements, uint values_at, uint row, uint row_words, uint scales_at, uint scales_per_row) {
  // The first element of largest magnitude, with its sign, becomes level -8.
  float extreme = values[0];
  [[unroll]] for (int i = 1; i < 32; ++i) extreme = mix(extreme, values[i], abs(values[i]) > abs(extreme));
  float scale = extreme / -8.0;
  float inverse = mix(1.0 / scale, 0.0, scale == 0.0);
  uint at = values_at + row * row_words + 4u * b;
  [[unroll]] for (int i = 0; i < 4; ++i) {
    uint word = 0u;
    [[unroll]] for (int e = 0; e < 8; ++e) {
      float level = values[8 * i + e] * inverse + 8.5;
      word |= uint(clamp(level, 0.0, 15.0)) << (4 * e);
    }
    cache[at + uint(i)] = word;
  }
  store_scale(scales_at, row * scales_per_row + b, scale);
}
#else
#error "compile with -DCACHE_<TYPE>, see shaders/attention/cache_types.def"
#endif

#endif
