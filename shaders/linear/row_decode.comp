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

layout(binding = 3) uniform samplerBuffer gain;

// What a piece of x is multiplied by so that weight_q_raw may stand for weight_q.
vec4 raw_factors(int j) {
  vec4 factors = vec4(1.0);
#if WEIGHT_SUB_BLOCK != 0
  [[unroll]] for (int p = 0; p < 8; ++p) {
    vec4 of_piece = vec4(WEIGHT_Q_RAW_FACTOR(4 * p), WEIGHT_Q_RAW_FACTOR(4 * p + 1), WEIGHT_Q_RAW_FACTOR(4 * p + 2), WEIGHT_Q_RAW_FACTOR(4 * p + 3));
    factors = mix(factors, of_piece, bvec4(X_PIECE(j) == uint(p)));
  }
#endif
  return factors;
}

void main() {
  uint panel = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
  // The grid may overshoot: workgroups past the last panel compute and store nothing.
  uint blocks = panel * PANEL_ROWS < push.rows ? push.blocks : 0u;
  uint chunk = push.skip_chunks + panel * push.panel_chunks;

  vec4 factors[X_PIECES];
  [[unroll]] for (int j = 0; j < X_PIECES; ++j) factors[j] = raw_factors(j);
  vec4 sums = vec4(0.0);
  // Squares are added one block late, so that the last block, which may hold padding, is left out and taken with a mask afterwards.
  float squares = 0.0, block_squares = 0.0;

  for (uint first = 0u; first < blocks; first += 8u) {
    WeightHeader headers[ROW_GROUPS];
    [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
      uvec4 header[WEIGHT_HEADER_ARRAY];
      header[0] = uvec4(0u);
      [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = LOAD_WEIGHT(chunk + uint(h) * PANEL_ROWS + ROW_IN_PANEL(r));
      headers[r] = weight_header(header);
    }
    chunk += uint(WEIGHT_HEADER_CHUNKS) * PANEL_ROWS;

    uint count = min(8u, blocks - first);
    for (uint b = 0u; b < count; ++b) {
      vec4 pieces[X_PIECES];
      [[unroll]] for (int j = 0; j < X_PIECES; ++j) pieces[j] = LOAD_X(push.x_offset + (first + b) * 8u + X_PIECE(j));
      if (with_norm != 0u) {
        squares += block_squares;
        block_squares = 0.0;
        [[unroll]] for (int j = 0; j < X_PIECES; ++j) {
          block_squares += dot(pieces[j], pieces[j]);
          pieces[j] *= texelFetch(gain, int((first + b) * 8u + X_PIECE(j)));
        }
      }
#if WEIGHT_HAS_MIN
      vec2 x_sums = sub_block_sums(pieces);
#endif
#if WEIGHT_SUB_BLOCK != 0
      [[unroll]] for (int j = 0; j < X_PIECES; ++j) pieces[j] *= factors[j];
#endif

      vec4 spread[SPREAD_PIECES] = SPREAD_X(pieces);
      WeightBlock weights_of[ROW_GROUPS];
      [[unroll]] for (int r = 0; r < ROW_GROUPS; ++r) {
        uvec4 body[WEIGHT_BODY_CHUNKS];
        [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) body[c] = LOAD_WEIGHT(chunk + uint(c) * PANEL_ROWS + ROW_IN_PANEL(r));
        weights_of[r] = weight_block(headers[r], body, b);
      }
      chunk += uint(WEIGHT_BODY_CHUNKS) * PANEL_ROWS;

#if WEIGHT_SUB_BLOCK == 0
      [[unroll]] for (int i = 0; i < 32; ++i) sums += OF_ROWS(weight_q, weights_of, i) * X_COLUMN(spread, i);
#else
      [[unroll]] for (int k = 0; k < SUB_BLOCKS; ++k) {
        vec4 parts = vec4(0.0);
        // From 0, since glslc unrolls only loops whose bounds are literals.
        [[unroll]] for (int i = 0; i < WEIGHT_SUB_BLOCK; ++i) {
          int column = k * WEIGHT_SUB_BLOCK + i;
          parts += OF_ROWS(weight_q_raw, weights_of, column) * X_COLUMN(spread, column);
        }
        sums += OF_ROWS(weight_scale, weights_of, k) * parts;
#if WEIGHT_HAS_MIN
        sums += OF_ROWS(weight_min, weights_of, k) * x_sums[k];
#endif
      }
#endif
    }
  }

  if (with_norm != 0u) {
    uint last = (push.blocks - 1u) * 8u;
    [[unroll]] for (int j = 0; j < X_PIECES; ++j) {
      uvec4 column = uvec4((last + X_PIECE(j)) * 4u) + uvec4(0u, 1u, 2u, 3u);
      vec4 piece = mix(vec4(0.0), LOAD_X(push.x_offset + last + X_PIECE(j)), lessThan(column, uvec4(push.columns)));
      squares += dot(piece, piece);
    }
    float factor = 1.0 / sqrt(sum_over_columns(squares) / float(push.columns) + push.epsilon);
    sums *= factor;
  }
  store_rows(0u, panel, sums);
}
