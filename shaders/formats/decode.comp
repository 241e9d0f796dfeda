// Writes a packed matrix out as floats; see decode.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/formats/decode.h"
#include "shaders/formats/weight.glsl"
#include "shaders/formats/panel.glsl"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer W { uvec4 w[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };

void main() {
  uint row = gl_GlobalInvocationID.x / push.blocks;
  uint block = gl_GlobalInvocationID.x % push.blocks;
  if (row >= push.rows) return;
  uint chunk = panel_chunk(row, block / 8u, push.blocks, push.panel_rows);
  uint b = block % 8u;

  uvec4 header[WEIGHT_HEADER_ARRAY];
  header[0] = uvec4(0u);
  [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = w[chunk + uint(h) * push.panel_rows];
  uint body_chunk = chunk + (uint(WEIGHT_HEADER_CHUNKS) + b * uint(WEIGHT_BODY_CHUNKS)) * push.panel_rows;
  uvec4 body[WEIGHT_BODY_CHUNKS];
  [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) body[c] = w[body_chunk + uint(c) * push.panel_rows];

  WeightBlock weights = weight_block(weight_header(header), body, b);
  uint out_index = gl_GlobalInvocationID.x * 32u;
  [[unroll]] for (int i = 0; i < 32; ++i) {
#if WEIGHT_SUB_BLOCK == 16
    int k = i / 16;
#else
    int k = 0;
#endif
    float q = weight_q_raw(weights, i) * WEIGHT_Q_RAW_FACTOR(i);
    precise float product = weight_scale(weights, k) * q;
    precise float from_parts_value = product + weight_min(weights, k);
    y[out_index + uint(i)] = from_parts != 0u ? from_parts_value : weight_value(weights, i);
  }
}
