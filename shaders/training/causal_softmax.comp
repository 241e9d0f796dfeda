// Softmax of causal logits in place; see causal_softmax.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/causal_softmax.h"
#include "shaders/training/row_sum.glsl"

layout(binding = 0) buffer Logits { vec4 logits[]; };

const float lowest = -3.0e38;

// Chunk c of the row of query s, with what it may not see pushed down.
vec4 seen(uint row_chunk, uint c, uint first, uint s) {
  uvec4 t = 4u * c + uvec4(0u, 1u, 2u, 3u);
  bvec4 allowed = bvec4(uvec4(lessThanEqual(t, uvec4(s))) & uvec4(greaterThanEqual(t, uvec4(first))));
  return mix(vec4(lowest), logits[row_chunk + c], allowed);
}

void main() {
  uint row = own_row(push.groups_x);
  if (row >= push.rows) return;
  uint s = row % push.positions;
  uint row_chunk = push.offset + row * push.stride;
  uint end = s / 4u + 1u;
  uint first = push.window != 0u && s >= push.window ? s + 1u - push.window : 0u;

  // The sum grows along with the largest logit so far (Milakov and Gimelshein 2018).
  float most = lowest, sum = 0.0;
  for (uint c = first / 4u + FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    vec4 l = seen(row_chunk, c, first, s);
    float larger = max(most, max4(l));
    sum = sum * exp(most - larger) + sum4(exp(l - larger));
    most = larger;
  }
  float most_of_row = max_of_row(most);
  // An invocation without a chunk of its own counted nothing: exp(lowest - most) is 0.
  float factor = 1.0 / sum_of_row(sum * exp(most - most_of_row));
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    logits[row_chunk + c] = exp(seen(row_chunk, c, first, s) - most_of_row) * factor;
  }
}
