// Contract of the products of two f32 matrices: shaders/matrix/*.comp.
//
//   C[m, n] = alpha * (sum over k of op(A)[m, k] * op(B)[k, n]) + beta * C[m, n]          m < rows, n < columns, k < depth
//   op transposes with -DLEFT_TRANSPOSED (A is stored [k, m]) and -DRIGHT_TRANSPOSED (B is stored [n, k]).
//
// A batch is a pair (outer, inner) = (b / inner_batches, b % inner_batches), say a sequence and a head; element (i, j) of a stored matrix lies at
//   offset + outer * outer_stride + (inner / divisor) * inner_stride + i * stride + j
// divisor: query heads that share a KV head. C has no divisor: no two batches write the same element.
//
// Bindings (T: uniform texel buffer of 16-byte elements in the *_texel kernels, storage buffer in all others):
//   0 left    T  f32, as vec4 in CPU kernels: A
//   1 right   T  f32, as vec4 in CPU kernels: B
//   2 result     f32, as vec4 in CPU kernels: C, read only where beta is not 0
// Offsets and strides of A and B are multiples of 4; what lies between a row's end and the next multiple of 4 may be anything finite.
//
// PRODUCT_RESULT_LOWER: tiles that lie wholly above C's diagonal are left alone (causal logits; inside the tiles on the diagonal, all is written).
// PRODUCT_LEFT_LOWER: the stored A counts as lower triangular: elements (i, j > i) are taken for 0 whatever they hold, and tiles without others
// are not visited (causal attention weights, and with LEFT_TRANSPOSED their transpose).
//
// CPU drivers (product_registers.comp): a workgroup of LANES invocations (one subgroup where subgroup operations are used) owns TILE_ROWS rows x
// 4 LANES columns, an invocation four columns of all those rows in registers; no barrier, no shared memory. op(A) is loaded once by all lanes
// together and handed round by shuffles with constant lanes.
// GPUs (product_tile.comp): a workgroup of 64 owns 64 x 64 and stages 16 of the depth in shared memory (8 KiB); an invocation owns 8 x 8.
// The grid: x: tiles of rows from first_row_tile on, y: tiles of columns, z: batches from first_batch on.
#include "shaders/common/interop.h"

// whole_tiles: every tile lies wholly within C, whose offset and strides are multiples of 4 (CPU kernels); accumulates: beta is not 0.
#define MATRIX_PRODUCT_CONSTANTS(CONSTANT) CONSTANT(0, uint, whole_tiles, 0) CONSTANT(1, uint, accumulates, 0)
REGROUP_SPECIALIZATION(MatrixProductConstants, MATRIX_PRODUCT_CONSTANTS)
// Offsets and strides in floats.
REGROUP_PUSH_CONSTANTS(MatrixProductPush,
  uint rows; uint columns; uint depth; uint flags; float alpha; float beta; uint inner_batches; uint first_batch; uint first_row_tile;
  uint a_offset; uint a_stride; uint a_outer_stride; uint a_inner_stride; uint a_divisor;
  uint b_offset; uint b_stride; uint b_outer_stride; uint b_inner_stride; uint b_divisor;
  uint c_offset; uint c_stride; uint c_outer_stride; uint c_inner_stride;)

#define PRODUCT_RESULT_LOWER 1u
#define PRODUCT_LEFT_LOWER 2u
