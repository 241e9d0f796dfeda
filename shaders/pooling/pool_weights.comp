// Pools the rows of projection weights over heads; see pool_weights.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#include "shaders/pooling/pool_weights.h"

layout(local_size_x = 8, local_size_x_id = 0) in;

layout(binding = 0) readonly buffer Source { uvec4 panels[]; };
layout(binding = 1) buffer Target { vec4 target[]; };
layout(binding = 2) readonly buffer Terms { uint terms[]; };

#include "shaders/embedding/panel_block.glsl"
#include "shaders/pooling/terms.glsl"

void main() {
  uint unit = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * workgroup_size + gl_LocalInvocationID.x;
  uint b = unit / panel_rows % push.blocks;
  uint slice_row = unit / (panel_rows * push.blocks) * panel_rows + unit % panel_rows;
  if (slice_row >= push.target_rows) return;
  uint row = push.target_first_row + slice_row;
  uint group = row / head_dim;
  uint dim = row % head_dim;

  // Eight chunks in the f32 panel, panel_rows apart.
  uint target_row = push.target_skip_rows + slice_row;
  uint at = (target_row / panel_rows * push.blocks + b) * 8u * panel_rows + panel_slot(target_row % panel_rows, panel_rows);
  precise vec4 sum[8];
  [[unroll]] for (int c = 0; c < 8; ++c) sum[c] = vec4(0.0);
  if (push.first_term > 0u) {
    [[unroll]] for (int c = 0; c < 8; ++c) sum[c] = target[at + uint(c) * panel_rows];
  }

  uint count = term_count(group);
  bool found = false;
  for (uint i = push.first_term; i < min(push.last_term, count); ++i) {
    // Wraps around for rows before the slice.
    uint source_row = term_source(group, push.groups, i) * head_dim + dim - push.source_first_row;
    if (source_row >= push.source_rows) continue;
    found = true;
    float factor = term_factor(group, push.groups, i);
    float closing = i + 1u == count ? closing_factor(group, push.groups) : 1.0;
    WeightBlock block = panel_block(push.source_skip_rows + source_row, b, panel_rows, push.blocks);
    [[unroll]] for (int c = 0; c < 8; ++c) {
      vec4 value = vec4(weight_value(block, 4 * c), weight_value(block, 4 * c + 1), weight_value(block, 4 * c + 2), weight_value(block, 4 * c + 3));
      precise vec4 product = factor * value;
      precise vec4 added = sum[c] + product;
      // The first product starts the sum: added to zero it could lose the sign of a zero.
      added = mix(added, product, bvec4(i == 0u));
      precise vec4 closed = added * closing;
      sum[c] = closed;
    }
  }
  if (found) {
    [[unroll]] for (int c = 0; c < 8; ++c) target[at + uint(c) * panel_rows] = sum[c];
  }
}
