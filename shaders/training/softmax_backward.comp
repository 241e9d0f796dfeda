// Gradient through a causal softmax, in place; see softmax_backward.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/row_sum.glsl"
#include "shaders/training/softmax_backward.h"
#ifdef TEXEL
#extension GL_EXT_texture_buffer : require
layout(binding = 0) uniform samplerBuffer weights;
#define LOAD_WEIGHTS(i) texelFetch(weights, int(i))
#else
layout(binding = 0) readonly buffer Weights { vec4 weights[]; };
#define LOAD_WEIGHTS(i) weights[i]
#endif
layout(binding = 1) buffer Gradient { vec4 gradient[]; };

// Chunk c of the row of query s without what lies past the diagonal, whatever that is.
vec4 up_to_diagonal(uint row_chunk, uint c, uint s) {
  return mix(vec4(0.0), gradient[row_chunk + c], lessThanEqual(4u * c + uvec4(0u, 1u, 2u, 3u), uvec4(s)));
}

void main() {
  uint row = own_row(push.groups_x);
  if (row >= push.rows) return;
  uint s = row % push.positions;
  uint row_chunk = push.gradient_offset + row * push.stride;
  uint weights_chunk = push.weights_offset + row * push.stride;
  uint end = s / 4u + 1u;
  vec4 products = vec4(0.0);
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) products += LOAD_WEIGHTS(weights_chunk + c) * up_to_diagonal(row_chunk, c, s);
  float mean = sum_of_row(sum4(products));
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    gradient[row_chunk + c] = LOAD_WEIGHTS(weights_chunk + c) * (up_to_diagonal(row_chunk, c, s) - mean);
  }
}
