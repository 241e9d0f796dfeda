// Many tokens times a weight matrix on GPUs: tiles of weights and activations staged as floats in shared memory, no subgroup operation; see linear.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/linear/linear.h"
#include "shaders/formats/weight.glsl"
#include "shaders/formats/panel.glsl"
#include "shaders/linear/finish.glsl"

#define TILE_ROWS 64
#define TILE_TOKENS 32
layout(local_size_x = 64) in;
layout(binding = 0) readonly buffer Weights { uvec4 weights[]; };
layout(binding = 1) readonly buffer X { vec4 x[]; };

// 12 KiB: [column][row] and [column][token], so that neighbouring invocations touch neighbouring words.
shared float row_tile[32 * TILE_ROWS];
shared float token_tile[32 * TILE_TOKENS];

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint first_token = gl_WorkGroupID.x * uint(TILE_TOKENS);
  uint first_row = gl_WorkGroupID.y * uint(TILE_ROWS);
  // Decoding: an invocation owns a row. Multiplying: it owns rows 2 * lane_row + {0, 1} + 16 * {0..3} and tokens lane_token + 8 * {0..3} of the tile.
  uint row_chunk = push.skip_chunks + min(first_row + lane, push.rows - 1u) * push.panel_chunks;
  uint lane_row = lane / 8u, lane_token = lane & 7u;

  vec4 sums[2][4];
  [[unroll]] for (int g = 0; g < 2; ++g) {
    [[unroll]] for (int t = 0; t < 4; ++t) sums[g][t] = vec4(0.0);
  }
  for (uint block = 0u; block < push.blocks; ++block) {
    uint b = block & 7u;
    uint super_chunk = row_chunk + block / 8u * uint(WEIGHT_HEADER_CHUNKS + 8 * WEIGHT_BODY_CHUNKS);
    uvec4 header[WEIGHT_HEADER_ARRAY];
    header[0] = uvec4(0u);
    [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = weights[super_chunk + uint(h)];
    uvec4 body[WEIGHT_BODY_CHUNKS];
    [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) {
      body[c] = weights[super_chunk + uint(WEIGHT_HEADER_CHUNKS) + b * uint(WEIGHT_BODY_CHUNKS) + uint(c)];
    }
    WeightBlock weights_of_row = weight_block(weight_header(header), body, b);
    [[unroll]] for (int i = 0; i < 32; ++i) row_tile[uint(i * TILE_ROWS) + lane] = weight_value(weights_of_row, i);

    [[unroll]] for (int j = 0; j < 4; ++j) {
      uint token = lane_row + uint(8 * j);
      vec4 piece = x[push.x_offset + min(first_token + token, push.tokens - 1u) * push.x_stride + block * 8u + lane_token];
      [[unroll]] for (int e = 0; e < 4; ++e) token_tile[(lane_token * 4u + uint(e)) * uint(TILE_TOKENS) + token] = piece[e];
    }
    barrier();
    for (uint i = 0u; i < 32u; ++i) {
      float x_of[4];
      [[unroll]] for (int t = 0; t < 4; ++t) x_of[t] = token_tile[i * uint(TILE_TOKENS) + lane_token + uint(8 * t)];
      [[unroll]] for (int g = 0; g < 2; ++g) {
        uint at = i * uint(TILE_ROWS) + lane_row * 2u + uint(32 * g);
        vec4 values = vec4(row_tile[at], row_tile[at + 1u], row_tile[at + 16u], row_tile[at + 17u]);
        [[unroll]] for (int t = 0; t < 4; ++t) sums[g][t] += values * x_of[t];
      }
    }
    barrier();
  }

  [[unroll]] for (int g = 0; g < 2; ++g) {
    [[unroll]] for (int t = 0; t < 4; ++t) {
      store_pairs(first_token + lane_token + uint(8 * t), first_row + lane_row * 2u + uint(32 * g) + uvec4(0u, 1u, 16u, 17u), sums[g][t]);
    }
  }
}
