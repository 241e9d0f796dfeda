// One token times a weight matrix on CPU drivers, a panel of rows per workgroup, RMSNorm folded in; see linear.h.
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
#ifdef ROPE_STORE
#include "shaders/linear/rope_store.glsl"
#endif

layout(binding = 3) uniform samplerBuffer gain;

// What a piece of x is multiplied by so that weight_q_raw may stand for weight_q.
vec4 raw_factors(int j) {
  vec4 factors = vec4(1.0);
#if WEIGHT_SUB_BLOCK != 0
  [[unroll]] for (int p = 0; p < 8; ++p) {
    vec4 of_piece = vec4(WEIGHT_Q_RAW_FACTOR(4 * p), WEIGHT_Q_RAW_FACTOR(4 * p + 1), WEIGHT_Q_RAW_FACTOR(4 * p + 2), WEIGHT_Q_RAW_FACTOR(4 * p + 3));
    factors = mix(factors, of_piece, bvec4(((FIRST_X_PIECE + uint(j) * X_PIECE_STEP) & 7u) == uint(p)));
  }
#endif
  return factors;
}

void main() {
  uint panel = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  // The grid may overshoot: workgroups past the last panel compute and store nothing.
  uint blocks = panel * PANEL_ROWS < push.rows ? push.blocks : 0u;
  // Push constants are read before the loops: lavapipe gathers them anew, lane by lane, wherever they are read inside.
  uint row_chunk = push.skip_chunks + panel * push.panel_chunks + FIRST_SLOT_IN_PANEL;
  uint x_row = push.x_offset;

  vec4 factors[X_PIECES];
  [[unroll]] for (int j = 0; j < X_PIECES; ++j) factors[j] = raw_factors(j);
  vec4 sums = vec4(0.0);
  // Squares are added one load late, so that the last load, which may hold padding, is left out and taken with a mask afterwards.
  float squares = 0.0, load_squares = 0.0;

  for (uint first = 0u; first < blocks; first += 8u) {
    uint super_chunk = row_chunk + first / 8u * SUPER_BLOCK_CHUNKS;
    WeightHeader headers[ROW_GROUPS];
    [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) headers[r] = load_header(super_chunk, r);
    uint bodies_chunk = super_chunk + HEADER_CHUNKS;

    uint count = min(8u, blocks - first);
    for (uint b = 0u; b < count; b += uint(X_BLOCKS)) {
      uint piece_index = (first + b) * 8u + FIRST_X_PIECE;
      vec4 pieces[X_PIECES];
#if X_BLOCKS > 1
      // A row of an odd number of blocks ends within the last load: what lies beyond counts as zero.
      bool inside = piece_index < 8u * blocks;
      piece_index = min(piece_index, 8u * blocks - 1u);
      pieces[0] = mix(vec4(0.0), LOAD_X(x_row + piece_index), bvec4(inside));
#else
      [[unroll]] for (int j = 0; j < X_PIECES; ++j) pieces[j] = LOAD_X(x_row + piece_index + uint(j) * X_PIECE_STEP);
#endif
      if (with_norm != 0u) {
        squares += load_squares;
        load_squares = 0.0;
        [[unroll]] for (int j = 0; j < X_PIECES; ++j) {
          load_squares += dot(pieces[j], pieces[j]);
          pieces[j] *= texelFetch(gain, int(piece_index + uint(j) * X_PIECE_STEP));
        }
      }
      vec4 plain[X_PIECES] = pieces;
#if WEIGHT_SUB_BLOCK != 0
      [[unroll]] for (int j = 0; j < X_PIECES; ++j) pieces[j] *= factors[j];
#endif
      vec4 spread[SPREAD_PIECES] = SPREAD_X(pieces);

      [[unroll]] for (int h = 0; h < X_BLOCKS; ++h) {
        uint block = min(b + uint(h), count - 1u);
        uint body_chunk = bodies_chunk + block * BLOCK_CHUNKS;
        uvec4 bodies[ROW_GROUPS][WEIGHT_BODY_CHUNKS];
        [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
          [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) bodies[r][c] = uvec4(0u);
        }
        WeightBlock weights_of[ROW_GROUPS];
        vec4 parts[SUB_BLOCKS];
        [[unroll]] for (int k = 0; k < SUB_BLOCKS; ++k) parts[k] = vec4(0.0);
        [[unroll]] for (int s = 0; s < STEPS; ++s) {
          [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
            [[unroll]] for (int c = 0; c < STEP_CHUNKS; ++c) {
              bodies[r][s * STEP_CHUNKS + c] = LOAD_WEIGHT(body_chunk + uint(s * STEP_CHUNKS + c) * PANEL_ROWS + uint(r) * SLOT_STEP);
            }
            weights_of[r] = weight_block(headers[r], bodies[r], block);
          }
          [[unroll]] for (int n = 0; n < STEP_COLUMNS; ++n) {
            int i = s * STEP_COLUMNS + STEP_COLUMN(n);
#if WEIGHT_SUB_BLOCK == 0
            sums += OF_ROWS(weight_q, weights_of, i) * X_COLUMN(spread, 32 * h + i);
#else
            parts[i / WEIGHT_SUB_BLOCK] += OF_ROWS(weight_q_raw, weights_of, i) * X_COLUMN(spread, 32 * h + i);
#endif
          }
        }
#if WEIGHT_SUB_BLOCK != 0
#if WEIGHT_HAS_MIN
        vec2 x_sums = sub_block_sums(plain, h);
#endif
        [[unroll]] for (int k = 0; k < SUB_BLOCKS; ++k) {
          sums += OF_ROWS(weight_scale, weights_of, k) * parts[k];
#if WEIGHT_HAS_MIN
          sums += OF_ROWS(weight_min, weights_of, k) * x_sums[k];
#endif
        }
#endif
      }
    }
  }

  if (with_norm != 0u) {
    uint last = (push.blocks - 1u) / uint(X_BLOCKS) * uint(8 * X_BLOCKS);
    [[unroll]] for (int j = 0; j < X_PIECES; ++j) {
      uint piece_index = last + FIRST_X_PIECE + uint(j) * X_PIECE_STEP;
      uvec4 column = piece_index * 4u + uvec4(0u, 1u, 2u, 3u);
      vec4 piece = mix(vec4(0.0), LOAD_X(x_row + min(piece_index, 8u * push.blocks - 1u)), lessThan(column, uvec4(push.columns)));
      squares += dot(piece, piece);
    }
    float factor = 1.0 / sqrt(sum_over_columns(squares) / float(push.columns) + push.epsilon);
    sums *= factor;
  }
#ifdef ROPE_STORE
  rotate_and_store_quad(panel * PANEL_ROWS + FIRST_ROW_IN_PANEL, sums);
#else
  store_rows(0u, panel, sums);
#endif
}
