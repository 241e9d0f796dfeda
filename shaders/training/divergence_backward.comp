// The gradient of a Kullback-Leibler divergence for logits; see divergence_backward.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/divergence_backward.h"
#include "shaders/training/row_sum.glsl"
#ifdef TEXEL
#extension GL_EXT_texture_buffer : require
layout(binding = 0) uniform samplerBuffer baseline;
#define LOAD_BASELINE(i) texelFetch(baseline, int(i))
#else
layout(binding = 0) readonly buffer Baseline { vec4 baseline[]; };
#define LOAD_BASELINE(i) baseline[i]
#endif
layout(binding = 1) buffer Logits { vec4 logits[]; };

// Chunk c of a row, `rest` in place of what lies past its columns.
vec4 in_row(vec4 chunk, uint c, float rest) {
  return mix(vec4(rest), chunk, lessThan(4u * c + uvec4(0u, 1u, 2u, 3u), uvec4(push.columns)));
}

void main() {
  uint row = own_row(push.groups_x);
  if (row >= push.rows) return;
  uint p_row = push.baseline_offset + row * push.baseline_stride, q_row = push.logits_offset + row * push.logits_stride;
  uint end = (push.columns + 3u) / 4u;
  const float least = -3.0e38;
  vec4 p_most = vec4(least), q_most = vec4(least);
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    p_most = max(p_most, in_row(LOAD_BASELINE(p_row + c), c, least));
    q_most = max(q_most, in_row(logits[q_row + c], c, least));
  }
  float p_top = max_of_row(max4(p_most)), q_top = max_of_row(max4(q_most));
  vec4 p_sums = vec4(0.0), q_sums = vec4(0.0);
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    p_sums += in_row(exp(LOAD_BASELINE(p_row + c) - p_top), c, 0.0);
    q_sums += in_row(exp(logits[q_row + c] - q_top), c, 0.0);
  }
  float p_factor = 1.0 / sum_of_row(sum4(p_sums)), q_factor = 1.0 / sum_of_row(sum4(q_sums));
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    vec4 q = exp(logits[q_row + c] - q_top) * q_factor;
    logits[q_row + c] = in_row(q - exp(LOAD_BASELINE(p_row + c) - p_top) * p_factor, c, 0.0);
  }
}
