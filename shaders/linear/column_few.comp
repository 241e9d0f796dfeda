// A few tokens times a weight matrix on GPUs: a subgroup shares ROWS rows and adds up by subgroupAdd, each weight serves TOKENS tokens from registers.
// What a batch of sequences decodes with: tiles of tile_prefill.comp would leave most of a large GPU idle. See linear.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#include "shaders/linear/linear.h"
#include "shaders/formats/weight.glsl"
#include "shaders/formats/panel.glsl"
#include "shaders/linear/finish.glsl"
#include "shaders/linear/product_value.glsl"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer Weights { uvec4 weights[]; };
layout(binding = 1) readonly buffer X { vec4 x[]; };

#define ROWS 4
#define TOKENS 8
// One entry per subgroup, of which a workgroup of 64 may have as many as invocations.
shared vec4 partial[64];

// The sum over the workgroup, in invocation 0.
vec4 reduce(vec4 sum) {
  sum = subgroupAdd(sum);
  if (gl_NumSubgroups == 1u) return sum;
  barrier();
  if (subgroupElect()) partial[gl_SubgroupID] = sum;
  barrier();
  sum = vec4(0.0);
  for (uint g = 0u; g < gl_NumSubgroups; ++g) sum += partial[g];
  return sum;
}

void main() {
  uint first_row = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * uint(ROWS);
  if (first_row >= push.rows) return;  // folded_grid may have a few workgroups too many
  uint first_token = gl_WorkGroupID.z * uint(TOKENS);
  uint row_chunks[ROWS];
  [[unroll]] for (int r = 0; r < ROWS; ++r) row_chunks[r] = push.skip_chunks + min(first_row + uint(r), push.rows - 1u) * push.panel_chunks;
  uint x_rows[TOKENS];
  [[unroll]] for (int t = 0; t < TOKENS; ++t) x_rows[t] = push.x_offset + min(first_token + uint(t), push.tokens - 1u) * push.x_stride;

  vec4 sums[TOKENS];
  [[unroll]] for (int t = 0; t < TOKENS; ++t) sums[t] = vec4(0.0);
  for (uint block = gl_LocalInvocationID.x; block < push.blocks; block += workgroup_size) {
    uint b = block & 7u;
    uint super_chunk = block / 8u * uint(WEIGHT_HEADER_CHUNKS + 8 * WEIGHT_BODY_CHUNKS);
    uint body_chunk = super_chunk + uint(WEIGHT_HEADER_CHUNKS) + b * uint(WEIGHT_BODY_CHUNKS);
    WeightBlock weights_of[ROWS];
    [[unroll]] for (int r = 0; r < ROWS; ++r) {
      uvec4 header[WEIGHT_HEADER_ARRAY];
      header[0] = uvec4(0u);
      [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = weights[row_chunks[r] + super_chunk + uint(h)];
      uvec4 body[WEIGHT_BODY_CHUNKS];
      [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) body[c] = weights[row_chunks[r] + body_chunk + uint(c)];
      weights_of[r] = weight_block(weight_header(header), body, b);
    }
    [[unroll]] for (int p = 0; p < 8; ++p) {
      vec4 values[4];
      [[unroll]] for (int e = 0; e < 4; ++e) {
        values[e] = vec4(product_value(weights_of[0], 4 * p + e), product_value(weights_of[1], 4 * p + e), product_value(weights_of[2], 4 * p + e),
                         product_value(weights_of[3], 4 * p + e));
      }
      [[unroll]] for (int t = 0; t < TOKENS; ++t) {
        vec4 piece = x[x_rows[t] + block * 8u + uint(p)];
        sums[t] += values[0] * piece.x + values[1] * piece.y + values[2] * piece.z + values[3] * piece.w;
      }
    }
  }

  [[unroll]] for (int t = 0; t < TOKENS; ++t) {
    vec4 sum = reduce(sums[t]);
    if (gl_LocalInvocationID.x == 0u) store_pairs(first_token + uint(t), first_row + uvec4(0u, 1u, 2u, 3u), sum);
  }
}
