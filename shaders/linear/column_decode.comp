// One token times a weight matrix on GPUs: the invocations of a workgroup share two rows and add up by subgroupAdd (SUBGROUP) or in shared memory,
// RMSNorm folded in; see linear.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_texture_buffer : require
#ifdef SUBGROUP
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "shaders/linear/linear.h"
#include "shaders/formats/weight.glsl"
#include "shaders/formats/panel.glsl"
#include "shaders/linear/finish.glsl"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer Weights { uvec4 weights[]; };
layout(binding = 1) readonly buffer X { vec4 x[]; };
layout(binding = 3) uniform samplerBuffer gain;

#define ROWS 2
#define SUB_BLOCKS (WEIGHT_SUB_BLOCK == 16 ? 2 : 1)
// The sums of ROWS rows and the sum of squares.
#define SUMS (ROWS + 1)
// 128 invocations at most; with subgroups one entry per subgroup, of which there may be as many as invocations.
shared float partial[128 * SUMS];

// Adds up over the workgroup; only invocation 0 has the result.
void reduce(inout float sums[SUMS]) {
#ifdef SUBGROUP
  [[unroll]] for (int s = 0; s < SUMS; ++s) sums[s] = subgroupAdd(sums[s]);
  if (gl_NumSubgroups == 1u) return;
  if (subgroupElect()) {
    [[unroll]] for (int s = 0; s < SUMS; ++s) partial[gl_SubgroupID * uint(SUMS) + uint(s)] = sums[s];
  }
  barrier();
  if (gl_LocalInvocationID.x == 0u) {
    [[unroll]] for (int s = 0; s < SUMS; ++s) sums[s] = 0.0;
    for (uint g = 0u; g < gl_NumSubgroups; ++g) {
      [[unroll]] for (int s = 0; s < SUMS; ++s) sums[s] += partial[g * uint(SUMS) + uint(s)];
    }
  }
#else
  uint lane = gl_LocalInvocationID.x;
  [[unroll]] for (int s = 0; s < SUMS; ++s) partial[uint(s) * workgroup_size + lane] = sums[s];
  barrier();
  for (uint width = workgroup_size / 2u; width > 0u; width /= 2u) {
    if (lane < width) {
      [[unroll]] for (int s = 0; s < SUMS; ++s) partial[uint(s) * workgroup_size + lane] += partial[uint(s) * workgroup_size + lane + width];
    }
    barrier();
  }
  [[unroll]] for (int s = 0; s < SUMS; ++s) sums[s] = partial[uint(s) * workgroup_size];
#endif
}

void main() {
  uint first_row = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * uint(ROWS);
  if (first_row >= push.rows) return;  // folded_grid may have a few workgroups too many
  uint token = gl_WorkGroupID.z;
  uint x_row = push.x_offset + token * push.x_stride;
  uint row_chunks[ROWS];
  [[unroll]] for (int r = 0; r < ROWS; ++r) row_chunks[r] = push.skip_chunks + min(first_row + uint(r), push.rows - 1u) * push.panel_chunks;

  float sums[SUMS];
  [[unroll]] for (int s = 0; s < SUMS; ++s) sums[s] = 0.0;
  for (uint block = gl_LocalInvocationID.x; block < push.blocks; block += workgroup_size) {
    vec4 pieces[8];
    [[unroll]] for (int p = 0; p < 8; ++p) pieces[p] = x[x_row + block * 8u + uint(p)];
    if (with_norm != 0u) {
      [[unroll]] for (int p = 0; p < 8; ++p) {
        uvec4 column = uvec4(block * 32u + uint(4 * p)) + uvec4(0u, 1u, 2u, 3u);
        vec4 piece = mix(vec4(0.0), pieces[p], lessThan(column, uvec4(push.columns)));
        sums[ROWS] += dot(piece, piece);
        pieces[p] *= texelFetch(gain, int(block * 8u) + p);
      }
    }
#if WEIGHT_HAS_MIN
    vec2 x_sums = vec2(0.0);
    [[unroll]] for (int p = 0; p < 8; ++p) x_sums[p / 4 * (SUB_BLOCKS - 1)] += dot(pieces[p], vec4(1.0));
#endif

    uint b = block & 7u;
    uint super_chunk = block / 8u * uint(WEIGHT_HEADER_CHUNKS + 8 * WEIGHT_BODY_CHUNKS);
    uint body_chunk = super_chunk + uint(WEIGHT_HEADER_CHUNKS) + b * uint(WEIGHT_BODY_CHUNKS);
    [[unroll]] for (int r = 0; r < ROWS; ++r) {
      uvec4 header[WEIGHT_HEADER_ARRAY];
      header[0] = uvec4(0u);
      [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = weights[row_chunks[r] + super_chunk + uint(h)];
      uvec4 body[WEIGHT_BODY_CHUNKS];
      [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) body[c] = weights[row_chunks[r] + body_chunk + uint(c)];
      WeightBlock weights_of_row = weight_block(weight_header(header), body, b);
      [[unroll]] for (int k = 0; k < SUB_BLOCKS; ++k) {
        float part = 0.0;
        // From 0, since glslc unrolls only loops whose bounds are literals.
        [[unroll]] for (int i = 0; i < 32 / SUB_BLOCKS; ++i) {
          int column = k * 32 / SUB_BLOCKS + i;
          part += weight_q(weights_of_row, column) * pieces[column / 4][column & 3];
        }
        sums[r] += weight_scale(weights_of_row, k) * part;
#if WEIGHT_HAS_MIN
        sums[r] += weight_min(weights_of_row, k) * x_sums[k];
#endif
      }
    }
  }

  reduce(sums);
  if (gl_LocalInvocationID.x != 0u) return;
  if (with_norm != 0u) {
    float factor = 1.0 / sqrt(sums[ROWS] / float(push.columns) + push.epsilon);
    [[unroll]] for (int r = 0; r < ROWS; ++r) sums[r] *= factor;
  }
  // Two rows only: the others are past any end.
  store_pairs(token, uvec4(first_row, first_row + 1u, uvec2(0xffffffffu)), vec4(sums[0], sums[1], 0.0, 0.0));
}
