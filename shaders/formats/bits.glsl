// Bit work shared by the weight formats: exact halves, picking a word by a dynamic index, nibbles and bytes as numbers.
// Choices are written as mix() with bools (one select): branches, also ?: and early returns, crash the block merger of glslc 2023.2 -O
// once they are inlined into unrolled loops.
#ifndef REGROUP_FORMATS_BITS_GLSL
#define REGROUP_FORMATS_BITS_GLSL

// The float of the binary16 in the low 16 bits, subnormals included, through normal floats only (no driver may flush those).
float half_to_float(uint bits) {
  float magnitude = uintBitsToFloat(((bits & 0x7fffu) << 13) + (112u << 23));
  // Exponent field 0: the line above made 2^-15 + m * 2^-25 where m * 2^-24 is meant.
  magnitude = mix(magnitude, magnitude * 2.0 - 6.103515625e-5, (bits & 0x7c00u) == 0u);
  return uintBitsToFloat(floatBitsToUint(magnitude) | ((bits & 0x8000u) << 16));
}

// Word i (0..3) of a chunk by selects: indexing a vector dynamically goes through memory on CPU drivers.
uint chunk_word(uvec4 chunk, uint i) {
  uvec2 pair = mix(chunk.xy, chunk.zw, bvec2((i & 2u) != 0u));
  return mix(pair.x, pair.y, (i & 1u) != 0u);
}

// Word i (0..7) of two chunks.
uint chunk_word(uvec4 first, uvec4 second, uint i) {
  return chunk_word(mix(first, second, bvec4((i & 4u) != 0u)), i);
}

// Half i (0..7) of a chunk as float.
float chunk_half(uvec4 chunk, uint i) {
  uint word = chunk_word(chunk, i >> 1);
  return unpackHalf2x16(mix(word, word >> 16, (i & 1u) != 0u)).x;
}

// 32 nibbles in one chunk: byte t holds column t in its low and column t + 16 in its high half, as ggml's files do.
// The raw number stays where it lies; only the topmost nibble is shifted down, lest it become the sign.
#define NIBBLE_POSITION(i) (8 * ((i) & 3) + 4 * ((i) >> 4))
#define NIBBLE_DOWN(i) (NIBBLE_POSITION(i) / 28 * 28)
#define NIBBLE_RAW_FACTOR(i) (1.0 / float(1u << (NIBBLE_POSITION(i) - NIBBLE_DOWN(i))))
float nibble(uvec4 chunk, int i) {
  return float(int((chunk[(i & 15) >> 2] >> NIBBLE_POSITION(i)) & 15u));
}
float nibble_raw(uvec4 chunk, int i) {
  return float(int((chunk[(i & 15) >> 2] >> NIBBLE_DOWN(i)) & (15u << (NIBBLE_POSITION(i) - NIBBLE_DOWN(i)))));
}

// 32 bytes of at most 7 bits in two chunks: byte i is column i.
#define BYTE_POSITION(i) (8 * ((i) & 3))
float small_byte(uvec4 chunks[2], int i) {
  return float(int((chunks[i >> 4][(i & 15) >> 2] >> BYTE_POSITION(i)) & 127u));
}
float small_byte_raw(uvec4 chunks[2], int i) {
  return float(int(chunks[i >> 4][(i & 15) >> 2] & (127u << BYTE_POSITION(i))));
}
#define SMALL_BYTE_RAW_FACTOR(i) (1.0 / float(1u << BYTE_POSITION(i)))

// 32 nibbles spread to bytes: columns 0..15 and columns 16..31.
uvec4 low_nibbles(uvec4 chunk) {
  return chunk & 0x0f0f0f0fu;
}
uvec4 high_nibbles(uvec4 chunk) {
  return (chunk >> 4) & 0x0f0f0f0fu;
}

// 32 numbers of five bits: nibbles as above, and a word of fifth bits whose bit 8e + j belongs to column 4j + e, bit 8e + 4 + j to column
// 16 + 4j + e. The four bytes around column i are made where it is asked for: made for all columns at once they would be spilled on CPU drivers.
uint five_bit_word(uvec4 nibbles, uint fifth, int i) {
  int w = (i & 15) >> 2;
  uint low = i < 16 ? nibbles[w] & 0x0f0f0f0fu : (nibbles[w] >> 4) & 0x0f0f0f0fu;
  uint high = (i < 16 ? fifth << (4 - w) : fifth >> w) & 0x10101010u;
  return low | high;
}
float five_bits(uvec4 nibbles, uint fifth, int i) {
  return float(int((five_bit_word(nibbles, fifth, i) >> BYTE_POSITION(i)) & 31u));
}
float five_bits_raw(uvec4 nibbles, uint fifth, int i) {
  return float(int(five_bit_word(nibbles, fifth, i) & (31u << BYTE_POSITION(i))));
}

// Scale and minimum numbers of block b (0..7) in the packed header of q4_k and q5_k: words 0 and 1 hold the low nibbles of the eight scales and
// of the eight minima, word 2 their upper two bits (scales in its low, minima in its high half), word 3 the halves d and dmin.
// Products in place of shifts by a variable, which SSE lacks: their factor is the same for all rows of a kernel and is made once.
uvec2 packed_scale_min(uvec4 chunk, uint b) {
  uvec2 low = (chunk.xy * (1u << (28u - 4u * b))) >> 28;
  uint high = chunk.z * (1u << (14u - 2u * b));
  return low | uvec2((high >> 10) & 0x30u, (high >> 26) & 0x30u);
}

#endif
