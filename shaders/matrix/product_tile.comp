// Product of two f32 matrices on GPUs: 64 x 64 tiles staged in shared memory, 8 x 8 sums in registers; see matrix_product.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/matrix/matrix_product.h"
#include "shaders/matrix/product_batch.glsl"

layout(local_size_x = 64) in;
layout(binding = 0) readonly buffer Left { float left[]; };
layout(binding = 1) readonly buffer Right { float right[]; };
layout(binding = 2) buffer Result { float result[]; };

#define TILE 64u
#define DEPTH_STEP 16u
// One word of padding, so that invocations that walk down a column meet different banks.
#define PITCH 65u
shared float a_tile[16 * 65];  // [depth][row]
shared float b_tile[16 * 65];  // [depth][column]

float left_element(uint offset, uint row, uint k, uint depth_end, bool lower) {
#ifdef LEFT_TRANSPOSED
  bool there = row < push.rows && k < depth_end && (!lower || row <= k);
  uint at = offset + k * push.a_stride + row;
#else
  bool there = row < push.rows && k < depth_end && (!lower || k <= row);
  uint at = offset + row * push.a_stride + k;
#endif
  return there ? left[at] : 0.0;
}

float right_element(uint offset, uint k, uint column, uint depth_end) {
#ifdef RIGHT_TRANSPOSED
  uint at = offset + column * push.b_stride + k;
#else
  uint at = offset + k * push.b_stride + column;
#endif
  return k < depth_end && column < push.columns ? right[at] : 0.0;
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint first_row = (push.first_row_tile + gl_WorkGroupID.x) * TILE;
  uint first_column = gl_WorkGroupID.y * TILE;
  if (tile_is_skipped(first_row, TILE, first_column)) return;
  Batch batch = batch_of(push.first_batch + gl_WorkGroupID.z);
  uvec2 depth = depth_of(first_row, TILE, DEPTH_STEP);
  bool lower = left_is_lower();
  // An invocation owns rows lane / 8 + 8 * {0 .. 7} and columns lane % 8 + 8 * {0 .. 7} of the tile.
  uint lane_row = lane / 8u, lane_column = lane % 8u;

  float sums[8][8];
  [[unroll]] for (int r = 0; r < 8; ++r) {
    [[unroll]] for (int c = 0; c < 8; ++c) sums[r][c] = 0.0;
  }
  for (uint first = depth.x; first < depth.y; first += DEPTH_STEP) {
    // Neighbouring invocations load what lies side by side in memory.
    for (uint j = 0u; j < DEPTH_STEP; ++j) {
      uint i = j * TILE + lane;
#ifdef LEFT_TRANSPOSED
      uint k = i / TILE, row = i % TILE;
#else
      uint k = i % DEPTH_STEP, row = i / DEPTH_STEP;
#endif
      a_tile[k * PITCH + row] = left_element(batch.a, first_row + row, first + k, depth.y, lower);
    }
    for (uint j = 0u; j < DEPTH_STEP; ++j) {
      uint i = j * TILE + lane;
#ifdef RIGHT_TRANSPOSED
      uint k = i % DEPTH_STEP, column = i / DEPTH_STEP;
#else
      uint k = i / TILE, column = i % TILE;
#endif
      b_tile[k * PITCH + column] = right_element(batch.b, first + k, first_column + column, depth.y);
    }
    barrier();
    for (uint k = 0u; k < DEPTH_STEP; ++k) {
      float a[8], b[8];
      [[unroll]] for (int r = 0; r < 8; ++r) a[r] = a_tile[k * PITCH + lane_row + uint(8 * r)];
      [[unroll]] for (int c = 0; c < 8; ++c) b[c] = b_tile[k * PITCH + lane_column + uint(8 * c)];
      [[unroll]] for (int r = 0; r < 8; ++r) {
        [[unroll]] for (int c = 0; c < 8; ++c) sums[r][c] += a[r] * b[c];
      }
    }
    barrier();
  }

  [[unroll]] for (int r = 0; r < 8; ++r) {
    uint row = first_row + lane_row + uint(8 * r);
    [[unroll]] for (int c = 0; c < 8; ++c) {
      uint column = first_column + lane_column + uint(8 * c);
      if (row < push.rows && column < push.columns) {
        uint at = batch.c + row * push.c_stride + column;
        float value = push.alpha * sums[r][c];
        if (accumulates != 0u) value += push.beta * result[at];
        result[at] = value;
      }
    }
  }
}
