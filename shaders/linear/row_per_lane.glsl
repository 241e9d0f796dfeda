// What the row-per-lane kernels share: where an invocation's rows lie, how weights and activations are loaded and how a column of x reaches
// every lane. A lane's four rows are the components of a vec4: fewer instructions for glslc to
// digest, the same for the drivers. Compiled with LANES and
//   TEXEL      texel buffers, x by subgroupShuffle with a constant lane (lavapipe)
//   BROADCAST  storage buffers, x by subgroupBroadcast (SwiftShader)
//   neither    storage buffers, every lane loads all of x: no subgroup operation
#ifndef REGROUP_LINEAR_ROW_PER_LANE_GLSL
#define REGROUP_LINEAR_ROW_PER_LANE_GLSL

#include "shaders/formats/weight.glsl"
#include "shaders/formats/panel.glsl"
#include "shaders/linear/finish.glsl"

layout(local_size_x = LANES) in;

#define ROW_GROUPS 4
#define PANEL_ROWS uint(LANES * ROW_GROUPS)
#define OF_ROWS(function, blocks, i) vec4(function(blocks[0], i), function(blocks[1], i), function(blocks[2], i), function(blocks[3], i))
#define SUB_BLOCKS (WEIGHT_SUB_BLOCK == 16 ? 2 : 1)

#ifdef TEXEL
layout(binding = 0) uniform usamplerBuffer weights;
layout(binding = 1) uniform samplerBuffer x;
#define LOAD_WEIGHT(i) texelFetch(weights, int(i))
#define LOAD_X(i) texelFetch(x, int(i))
#else
layout(binding = 0) readonly buffer Weights { uvec4 weights[]; };
layout(binding = 1) readonly buffer X { vec4 x[]; };
#define LOAD_WEIGHT(i) weights[i]
#define LOAD_X(i) x[i]
#endif
// Of the panel: a lane owns neighbouring rows, so that it stores them in one piece. Where their chunks lie: panel_slot().
#define FIRST_ROW_IN_PANEL (gl_LocalInvocationID.x * uint(ROW_GROUPS))
#if LANES * ROW_GROUPS >= 32
#define FIRST_SLOT_IN_PANEL gl_LocalInvocationID.x
#define SLOT_STEP uint(LANES)
#else
#define FIRST_SLOT_IN_PANEL FIRST_ROW_IN_PANEL
#define SLOT_STEP 1u
#endif

// A block is taken in steps, each of which loads the chunks that its columns need: one by one where a chunk holds neighbouring columns, so that no
// more is live (CPU drivers spill the rest).
#if defined(WEIGHT_F32) || defined(WEIGHT_F16) || defined(WEIGHT_BF16) || defined(WEIGHT_Q8_0)
#define STEPS WEIGHT_BODY_CHUNKS
#else
#define STEPS 1
#endif
#define STEP_CHUNKS (WEIGHT_BODY_CHUNKS / STEPS)
#define STEP_COLUMNS (32 / STEPS)
// The n-th column of a step. A word of one chunk with one scale is eight nibbles, four of the lower and four of the upper 16 columns: word by word.
#if WEIGHT_BODY_CHUNKS == 1 && WEIGHT_SUB_BLOCK == 32
#define STEP_COLUMN(n) (4 * ((n) / 8) + 16 * ((n) / 4 % 2) + (n) % 4)
#else
#define STEP_COLUMN(n) (n)
#endif

// Columns of x: piece j of a lane is four of them, from column 4 * (FIRST_X_PIECE + j * X_PIECE_STEP) of X_BLOCKS blocks on. X_COLUMN(SPREAD_X(pieces), i):
// column i (a constant) in every lane.
#ifdef TEXEL
#define X_PIECES 1
#define X_BLOCKS (LANES / 8)
#define FIRST_X_PIECE gl_LocalInvocationID.x
#define X_PIECE_STEP uint(LANES)
#define SPREAD_PIECES 1
#define SPREAD_X(pieces) pieces
#define X_COLUMN(spread, i) subgroupShuffle(spread[0][(i) & 3], uint((i) / 4))
#elif defined(BROADCAST)
#define X_PIECES (8 / LANES)
#define X_BLOCKS 1
#define FIRST_X_PIECE gl_LocalInvocationID.x
#define X_PIECE_STEP uint(LANES)
#define SPREAD_PIECES 8
// One by one: glslc wants a literal lane and does not take a loop's variable for one.
vec4[8] SPREAD_X(vec4 pieces[X_PIECES]) {
  return vec4[8](subgroupBroadcast(pieces[0], 0u), subgroupBroadcast(pieces[1 / LANES], uint(1 % LANES)),
                 subgroupBroadcast(pieces[2 / LANES], uint(2 % LANES)), subgroupBroadcast(pieces[3 / LANES], uint(3 % LANES)),
                 subgroupBroadcast(pieces[4 / LANES], uint(4 % LANES)), subgroupBroadcast(pieces[5 / LANES], uint(5 % LANES)),
                 subgroupBroadcast(pieces[6 / LANES], uint(6 % LANES)), subgroupBroadcast(pieces[7 / LANES], uint(7 % LANES)));
}
#define X_COLUMN(spread, i) spread[(i) / 4][(i) & 3]
#else
#define X_PIECES 8
#define X_BLOCKS 1
#define FIRST_X_PIECE 0u
#define X_PIECE_STEP 1u
#define SPREAD_PIECES 8
#define SPREAD_X(pieces) pieces
#define X_COLUMN(spread, i) spread[(i) / 4][(i) & 3]
#endif

// Chunks of a row and panel.
#define SUPER_BLOCK_CHUNKS (uint(WEIGHT_HEADER_CHUNKS + 8 * WEIGHT_BODY_CHUNKS) * PANEL_ROWS)
#define HEADER_CHUNKS (uint(WEIGHT_HEADER_CHUNKS) * PANEL_ROWS)
#define BLOCK_CHUNKS (uint(WEIGHT_BODY_CHUNKS) * PANEL_ROWS)

// The header of row r of an invocation; `chunk`: of the invocation's first row in the super-block.
WeightHeader load_header(uint chunk, int r) {
  uvec4 header[WEIGHT_HEADER_ARRAY];
  header[0] = uvec4(0u);
  [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = LOAD_WEIGHT(chunk + uint(h) * PANEL_ROWS + uint(r) * SLOT_STEP);
  return weight_header(header);
}

float sum4(vec4 v) {
  return (v.x + v.y) + (v.z + v.w);
}

// The sums of x over the columns of sub-block 0 and 1 of block h (with one sub-block: over all columns, in .x), in every lane.
vec2 sub_block_sums(vec4 pieces[X_PIECES], int h) {
#if defined(TEXEL)
  float sum = sum4(pieces[0]);
#if LANES == 8
  sum += subgroupShuffleXor(sum, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  float other = subgroupShuffleXor(sum, 4u);
  vec2 sums = gl_LocalInvocationID.x < 4u ? vec2(sum, other) : vec2(other, sum);
#else
  // With more than 8 lanes lavapipe has no fast shuffle but that of a constant lane.
  vec2 sums = vec2(0.0);
  [[unroll]] for (int l = 0; l < 4; ++l) sums += vec2(subgroupShuffle(sum, uint(8 * h + l)), subgroupShuffle(sum, uint(8 * h + l + 4)));
#endif
#elif defined(BROADCAST)
  vec2 sums = vec2(sum4(pieces[0]), sum4(pieces[1]));
  sums += subgroupShuffleXor(sums, 1u);
  sums += subgroupShuffleXor(sums, 2u);
#else
  vec2 sums = vec2(sum4((pieces[0] + pieces[1]) + (pieces[2] + pieces[3])), sum4((pieces[4] + pieces[5]) + (pieces[6] + pieces[7])));
#endif
#if WEIGHT_SUB_BLOCK == 16
  return sums;
#else
  return vec2(sums.x + sums.y, 0.0);
#endif
}

// The sum of a lane's value over the lanes that hold different columns of x.
float sum_over_columns(float value) {
#if defined(TEXEL) || defined(BROADCAST)
  value += subgroupShuffleXor(value, 1u);
  value += subgroupShuffleXor(value, 2u);
#if LANES >= 8
  value += subgroupShuffleXor(value, 4u);
#endif
#if LANES >= 16
  value += subgroupShuffleXor(value, 8u);
#endif
#endif
  return value;
}

// Stores the sums of an invocation's rows for one token.
void store_rows(uint token, uint panel, vec4 sums) {
  store_quad(token, panel * PANEL_ROWS + FIRST_ROW_IN_PANEL, sums);
}

#endif
