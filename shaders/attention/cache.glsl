// Reading the key/value cache: how an element lies in a 16-byte chunk, for the type chosen by CACHE_F32, CACHE_F16, CACHE_Q8_0 or CACHE_Q4_0.
// A "raw" number is element = (raw * RAW_FACTOR(i) - RAW_ZERO) * scale: what costs least to unpack; whoever sums it up applies the rest once.
#ifndef REGROUP_ATTENTION_CACHE_GLSL
#define REGROUP_ATTENTION_CACHE_GLSL
#include "shaders/formats/bits.glsl"

#if defined(CACHE_F32)
#define CHUNK_ELEMENTS 4
#elif defined(CACHE_F16)
#define CHUNK_ELEMENTS 8
#elif defined(CACHE_Q8_0)
#define CHUNK_ELEMENTS 16
#define CACHE_SCALED
#elif defined(CACHE_Q4_0)
#define CHUNK_ELEMENTS 32
#define CACHE_SCALED
#define RAW_ZERO 8.0
#endif
#define WORD_ELEMENTS (CHUNK_ELEMENTS / 4)

// Raw element i of a word that starts with element 0 of its kind (i < WORD_ELEMENTS, at least 1).
#if defined(CACHE_F32)
float raw_element(uint word, int i) {
  return uintBitsToFloat(word);
}
float raw_factor(uint i) {
  return 1.0;
}
#elif defined(CACHE_F16)
float raw_element(uint word, int i) {
  return unpackHalf2x16(word)[i];
}
float raw_factor(uint i) {
  return 1.0;
}
#elif defined(CACHE_Q8_0)
// The byte stays on top of the word, where its sign is the word's sign.
float raw_element(uint word, int i) {
  return float(int((word << (24 - 8 * i)) & 0xff000000u));
}
float raw_factor(uint i) {
  return 5.9604644775390625e-8;  // 2^-24
}
#elif defined(CACHE_Q4_0)
// The nibble stays where it lies; only the topmost is shifted down, lest it become the sign.
float raw_element(uint word, int i) {
  return float(int((word >> (i / 7 * 28)) & (15u << (i % 7 * 4))));
}
float raw_factor(uint i) {
  return uintBitsToFloat((127u - (i % 7u) * 4u) << 23);
}
#endif

// Four neighbouring elements, scale left out, from the words that hold them: words of quad n (of 4 elements) of a chunk.
#if defined(CACHE_F32)
vec4 quad_levels(uvec4 words) {
  return uintBitsToFloat(words);
}
uvec4 quad_words(uvec4 chunk, int n) {
  return chunk;
}
#elif defined(CACHE_F16)
vec4 quad_levels(uvec4 words) {
  return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
}
uvec4 quad_words(uvec4 chunk, int n) {
  return uvec4(chunk[2 * n], chunk[2 * n + 1], 0u, 0u);
}
#elif defined(CACHE_Q8_0)
vec4 quad_levels(uvec4 words) {
  return vec4(ivec4(words.x << 24, words.x << 16, words.x << 8, words.x) >> 24);
}
uvec4 quad_words(uvec4 chunk, int n) {
  return uvec4(chunk[n], 0u, 0u, 0u);
}
#elif defined(CACHE_Q4_0)
vec4 quad_levels(uvec4 words) {
  return vec4(ivec4(words.x, words.x >> 4, words.x >> 8, words.x >> 12) & 15) - 8.0;
}
uvec4 quad_words(uvec4 chunk, int n) {
  return uvec4(chunk[n >> 1] >> (16 * (n & 1)), 0u, 0u, 0u);
}
#endif

#endif
