// Puts the partial results of a split attention together; see attention_merge.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/attention/attention_merge.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer Partial { vec4 partial[]; };
layout(binding = 1) writeonly buffer Out { vec4 result[]; };

void main() {
  uint quads = push.head_dim / 4u;
  uint row = gl_GlobalInvocationID.x / quads, quad = gl_GlobalInvocationID.x % quads;
  if (row >= push.token_count * push.query_heads) return;
  uint token = push.first_token + row / push.query_heads, head = row % push.query_heads;
  uint base = row * push.splits * (quads + 1u);
  float m = -1e30;
  for (uint s = 0u; s < push.splits; ++s) m = max(m, partial[base + s * (quads + 1u) + quads].x);
  float total = 0.0;
  vec4 sum = vec4(0.0);
  for (uint s = 0u; s < push.splits; ++s) {
    vec4 state = partial[base + s * (quads + 1u) + quads];
    float weight = exp2(state.x - m);
    total += weight * state.y;
    sum += weight * partial[base + s * (quads + 1u) + quad];
  }
  result[(push.out_offset + token * push.out_stride + head * push.head_dim) / 4u + quad] = sum / total;
}
