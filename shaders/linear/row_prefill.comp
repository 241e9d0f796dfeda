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

#define X_LOADS (TOKENS / X_BLOCKS)

void main() {
  uint first_token = gl_WorkGroupID.x * uint(TOKENS);
  uint panel = gl_WorkGroupID.y;
  // Push constants are read before the loops: lavapipe gathers them anew, lane by lane, wherever they are read inside.
  uint row_chunk = push.skip_chunks + panel * push.panel_chunks + FIRST_SLOT_IN_PANEL;
  uint blocks = push.blocks;
  // With lanes for several blocks, a load brings the block of so many tokens.
  uint x_rows[X_LOADS];
  [[unroll]] for (int n = 0; n < X_LOADS; ++n) {
    uint token = first_token + uint(n * X_BLOCKS) + FIRST_X_PIECE / 8u;
    x_rows[n] = push.x_offset + FIRST_X_PIECE % 8u + min(token, push.tokens - 1u) * push.x_stride;
  }
  vec4 sums[TOKENS];
  [[unroll]] for (int t = 0; t < TOKENS; ++t) sums[t] = vec4(0.0);

  for (uint first = 0u; first < blocks; first += 8u) {
    uint super_chunk = row_chunk + first / 8u * SUPER_BLOCK_CHUNKS;
    WeightHeader headers[ROW_GROUPS];
    [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) headers[r] = load_header(super_chunk, r);
    uint bodies_chunk = super_chunk + HEADER_CHUNKS;

    uint count = min(8u, blocks - first);
    for (uint b = 0u; b < count; ++b) {
      uint column_piece = (first + b) * 8u;
      vec4 spread[X_LOADS][SPREAD_PIECES];
      [[unroll]] for (int n = 0; n < X_LOADS; ++n) {
        vec4 pieces[X_PIECES];
        [[unroll]] for (int j = 0; j < X_PIECES; ++j) pieces[j] = LOAD_X(x_rows[n] + column_piece + uint(j) * X_PIECE_STEP);
        spread[n] = SPREAD_X(pieces);
      }
      uint body_chunk = bodies_chunk + b * BLOCK_CHUNKS;
      uvec4 bodies[ROW_GROUPS][WEIGHT_BODY_CHUNKS];
      [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
        [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) bodies[r][c] = uvec4(0u);
      }
      [[unroll]] for (int s = 0; s < STEPS; ++s) {
        WeightBlock weights_of[ROW_GROUPS];
        [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
          [[unroll]] for (int c = 0; c < STEP_CHUNKS; ++c) {
            bodies[r][s * STEP_CHUNKS + c] = LOAD_WEIGHT(body_chunk + uint(s * STEP_CHUNKS + c) * PANEL_ROWS + uint(r) * SLOT_STEP);
          }
          weights_of[r] = weight_block(headers[r], bodies[r], b);
        }
        [[unroll]] for (int n = 0; n < STEP_COLUMNS; ++n) {
          int i = s * STEP_COLUMNS + STEP_COLUMN(n);
          vec4 values = OF_ROWS(product_value, weights_of, i);
          [[unroll]] for (int t = 0; t < TOKENS; ++t) sums[t] += values * X_COLUMN(spread[t / X_BLOCKS], 32 * (t % X_BLOCKS) + i);
        }
      }
    }
  }

  [[unroll]] for (int t = 0; t < TOKENS; ++t) store_rows(first_token + uint(t), panel, sums[t]);
}
