// Product of two f32 matrices on CPU drivers: sums stay in registers, op(A) goes round by constant shuffles; see matrix_product.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#ifdef TEXEL
#extension GL_EXT_texture_buffer : require
#endif
#if defined(TEXEL) || defined(SHUFFLE)
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "shaders/matrix/matrix_product.h"
#include "shaders/matrix/product_batch.glsl"

layout(local_size_x = LANES) in;

#ifdef TEXEL
layout(binding = 0) uniform samplerBuffer left;
layout(binding = 1) uniform samplerBuffer right;
#define LOAD_A(i) texelFetch(left, int(i))
#define LOAD_B(i) texelFetch(right, int(i))
#else
layout(binding = 0) readonly buffer Left { vec4 left[]; };
layout(binding = 1) readonly buffer Right { vec4 right[]; };
#define LOAD_A(i) left[i]
#define LOAD_B(i) right[i]
#endif
layout(binding = 2) buffer Result { vec4 result[]; };

// A step takes DEPTH_STEP of the depth. Its block of op(A) is TILE_ROWS x DEPTH_STEP elements in chunks of four, along the depth or, transposed,
// along the rows; a lane that shares holds every LANES-th chunk, one that does not holds them all (and steps less far: SwiftShader's compiler
// takes minutes and gigabytes for larger blocks).
#if defined(TEXEL) || defined(SHUFFLE)
#define DEPTH_STEP 32
#else
#define DEPTH_STEP 4
#endif
#define CHUNKS (TILE_ROWS * DEPTH_STEP / 4)
#if defined(TEXEL) || defined(SHUFFLE)
#define PIECES (CHUNKS / LANES)
#define PIECE_CHUNK(j) (uint((j) * LANES) + gl_LocalInvocationID.x)
#define CHUNK_ELEMENT(pieces, chunk, e) subgroupShuffle(pieces[(chunk) / LANES][e], uint((chunk) % LANES))
#else
#define PIECES CHUNKS
#define PIECE_CHUNK(j) uint(j)
#define CHUNK_ELEMENT(pieces, chunk, e) pieces[chunk][e]
#endif
// op(A)[t, i] of the block, t and i constants.
#ifdef LEFT_TRANSPOSED
#define A_ELEMENT(pieces, t, i) CHUNK_ELEMENT(pieces, (i) * (TILE_ROWS / 4) + (t) / 4, (t) & 3)
#else
#define A_ELEMENT(pieces, t, i) CHUNK_ELEMENT(pieces, (t) * (DEPTH_STEP / 4) + (i) / 4, (i) & 3)
#endif

const uint column_step = uint(4 * LANES);

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint first_row = (push.first_row_tile + gl_WorkGroupID.x) * uint(TILE_ROWS);
  uint first_column = gl_WorkGroupID.y * column_step;
  if (tile_is_skipped(first_row, uint(TILE_ROWS), first_column)) return;
  Batch batch = batch_of(push.first_batch + gl_WorkGroupID.z);
  uvec2 depth = depth_of(first_row, uint(TILE_ROWS), uint(DEPTH_STEP));
  // Push constants are read before the loops: lavapipe gathers them anew, lane by lane, wherever they are read inside.
  uint depth_end = depth.y;
  bool lower = left_is_lower();
  uint a_stride = push.a_stride / 4u, b_stride = push.b_stride / 4u;
  uint last_chunk = (push.depth - 1u) / 4u;
  uint a_chunk = batch.a / 4u, b_chunk = batch.b / 4u;
#ifdef LEFT_TRANSPOSED
  uint last_row_chunk = (push.rows - 1u) / 4u;
  uint last_depth = push.depth - 1u;
#else
  uint last_row = push.rows - 1u;
#endif
  // A lane owns four neighbouring columns; they are rows of a transposed B.
  uvec4 columns = first_column + 4u * lane + uvec4(0u, 1u, 2u, 3u);
#ifdef RIGHT_TRANSPOSED
  uvec4 b_rows = b_chunk + min(columns, uvec4(push.columns - 1u)) * b_stride;
#else
  uint b_column = b_chunk + min(first_column / 4u + lane, (push.columns - 1u) / 4u);
  uint last_b = b_column + (push.depth - 1u) * b_stride;
#endif

  vec4 sums[TILE_ROWS];
  [[unroll]] for (int t = 0; t < TILE_ROWS; ++t) sums[t] = vec4(0.0);

  for (uint first = depth.x; first < depth_end; first += uint(DEPTH_STEP)) {
    vec4 pieces[PIECES];
    [[unroll]] for (int j = 0; j < PIECES; ++j) {
      uint chunk = PIECE_CHUNK(j);
#ifdef LEFT_TRANSPOSED
      uint k = first + chunk / uint(TILE_ROWS / 4);
      uint row_chunk = first_row / 4u + chunk % uint(TILE_ROWS / 4);
      vec4 piece = LOAD_A(a_chunk + min(k, last_depth) * a_stride + min(row_chunk, last_row_chunk));
      uint end = k < depth_end ? (lower ? k + 1u : 0xffffffffu) : 0u;
      uvec4 at = row_chunk * 4u + uvec4(0u, 1u, 2u, 3u);
#else
      uint row = first_row + chunk / uint(DEPTH_STEP / 4);
      uint k_chunk = first / 4u + chunk % uint(DEPTH_STEP / 4);
      vec4 piece = LOAD_A(a_chunk + min(row, last_row) * a_stride + min(k_chunk, last_chunk));
      uint end = lower ? min(depth_end, row + 1u) : depth_end;
      uvec4 at = k_chunk * 4u + uvec4(0u, 1u, 2u, 3u);
#endif
      pieces[j] = mix(vec4(0.0), piece, lessThan(at, uvec4(end)));
    }
    [[unroll]] for (int i = 0; i < DEPTH_STEP; i += 4) {
#ifdef RIGHT_TRANSPOSED
      uint chunk = min(first / 4u + uint(i / 4), last_chunk);
      vec4 b[4];
      [[unroll]] for (int r = 0; r < 4; ++r) b[r] = LOAD_B(b_rows[r] + chunk);
      [[unroll]] for (int e = 0; e < 4; ++e) {
        vec4 values = vec4(b[0][e], b[1][e], b[2][e], b[3][e]);
        [[unroll]] for (int t = 0; t < TILE_ROWS; ++t) sums[t] += A_ELEMENT(pieces, t, i + e) * values;
      }
#else
      [[unroll]] for (int e = 0; e < 4; ++e) {
        vec4 values = LOAD_B(min(b_column + (first + uint(i + e)) * b_stride, last_b));
        [[unroll]] for (int t = 0; t < TILE_ROWS; ++t) sums[t] += A_ELEMENT(pieces, t, i + e) * values;
      }
#endif
    }
  }

  uint end_column = push.columns, rows = push.rows, c_stride = push.c_stride;
  float alpha = push.alpha, beta = push.beta;
  uint at = batch.c + first_row * c_stride + columns.x;
  // Constants and not conditions: lavapipe runs through both sides of a branch, and stores are what short depths cost there.
  if (whole_tiles != 0u) {
    uint chunk = at / 4u, chunk_stride = c_stride / 4u;
    [[unroll]] for (int t = 0; t < TILE_ROWS; ++t) {
      vec4 values = alpha * sums[t];
      if (accumulates != 0u) values += beta * result[chunk];
      result[chunk] = values;
      chunk += chunk_stride;
    }
  } else {
    [[unroll]] for (int t = 0; t < TILE_ROWS; ++t) {
      bvec4 there = bvec4(uvec4(lessThan(columns, uvec4(end_column))) * uint(first_row + uint(t) < rows));
      [[unroll]] for (int e = 0; e < 4; ++e) {
        if (there[e]) {
          float value = alpha * sums[t][e];
          if (accumulates != 0u) value += beta * result[(at + uint(e)) / 4u][(at + uint(e)) & 3u];
          result[(at + uint(e)) / 4u][(at + uint(e)) & 3u] = value;
        }
      }
      at += c_stride;
    }
  }
}
