// Looks tokens up in an embedding table of any weight format; see embedding.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#include "shaders/embedding/embedding.h"

layout(local_size_x = 8, local_size_x_id = 0) in;

layout(binding = 0) readonly buffer Panels { uvec4 panels[]; };
layout(binding = 1) readonly buffer Ids { uint ids[]; };
layout(binding = 2) writeonly buffer Y { vec4 y[]; };

#include "shaders/embedding/panel_block.glsl"

void main() {
  uint b = gl_GlobalInvocationID.x;
  uint blocks = (push.columns + 31u) / 32u;
  // Wraps around for rows before the slice.
  uint row = ids[gl_WorkGroupID.y] - push.first_row;
  if (b >= blocks || row >= push.rows) return;
  WeightBlock block = panel_block(push.skip_rows + row, b, push.panel_rows, blocks);
  uint at = push.y_offset + gl_WorkGroupID.y * push.y_stride + 8u * b;
  [[unroll]] for (int c = 0; c < 8; ++c) {
    vec4 chunk = vec4(weight_value(block, 4 * c), weight_value(block, 4 * c + 1), weight_value(block, 4 * c + 2), weight_value(block, 4 * c + 3));
    if (32u * b + 4u * uint(c) < push.columns) y[at + uint(c)] = chunk * push.scale;
  }
}
