// A tile of tokens times a weight matrix on CPU drivers: weights are decoded once for TOKENS tokens, sums stay in registers; see linear.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#extension GL_EXT_texture_buffer : require
#if defined(TEXEL) || defined(BROADCAST)
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_ballot : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "shaders/linear/linear.h"
#include "shaders/linear/row_per_lane.glsl"
#include "shaders/linear/product_value.glsl"

void main() {
  uint first_token = gl_WorkGroupID.x * uint(TOKENS);
  uint panel = gl_WorkGroupID.y;
  uint chunk = push.skip_chunks + panel * push.panel_chunks;

  uint x_rows[TOKENS];
  [[unroll]] for (int t = 0; t < TOKENS; ++t) x_rows[t] = push.x_offset + min(first_token + uint(t), push.tokens - 1u) * push.x_stride;
  vec4 sums[TOKENS];
  [[unroll]] for (int t = 0; t < TOKENS; ++t) sums[t] = vec4(0.0);

  for (uint first = 0u; first < push.blocks; first += 8u) {
    WeightHeader headers[ROW_GROUPS];
    [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
      uvec4 header[WEIGHT_HEADER_ARRAY];
      header[0] = uvec4(0u);
      [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = LOAD_WEIGHT(chunk + uint(h) * PANEL_ROWS + ROW_IN_PANEL(r));
      headers[r] = weight_header(header);
    }
    chunk += uint(WEIGHT_HEADER_CHUNKS) * PANEL_ROWS;

    uint count = min(8u, push.blocks - first);
    for (uint b = 0u; b < count; ++b) {
      vec4 spread[TOKENS][SPREAD_PIECES];
      [[unroll]] for (int t = 0; t < TOKENS; ++t) {
        vec4 pieces[X_PIECES];
        [[unroll]] for (int j = 0; j < X_PIECES; ++j) pieces[j] = LOAD_X(x_rows[t] + (first + b) * 8u + X_PIECE(j));
        spread[t] = SPREAD_X(pieces);
      }
      WeightBlock weights_of[ROW_GROUPS];
      [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
        uvec4 body[WEIGHT_BODY_CHUNKS];
        [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) body[c] = LOAD_WEIGHT(chunk + uint(c) * PANEL_ROWS + ROW_IN_PANEL(r));
        weights_of[r] = weight_block(headers[r], body, b);
      }
      chunk += uint(WEIGHT_BODY_CHUNKS) * PANEL_ROWS;

      [[unroll]] for (int i = 0; i < 32; ++i) {
        vec4 values = OF_ROWS(product_value, weights_of, i);
        [[unroll]] for (int t = 0; t < TOKENS; ++t) sums[t] += values * X_COLUMN(spread[t], i);
      }
    }
  }

  [[unroll]] for (int t = 0; t < TOKENS; ++t) store_rows(first_token + uint(t), panel, sums[t]);
}
