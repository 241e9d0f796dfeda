// Contract of shaders/training/rotate_rows.comp: rotary embedding (Su et al. 2021) of rows of heads in place, or back again.
//
//   plane p = elements (2p, 2p + 1) of each head turns by the angle whose (cos, sin) is table[t % length, p], backwards with `inverse`;
//   elements from 2 * planes on stay
//
//   0 rows   f32 [tokens, heads, head_dim]: element (t, h, i) at offset + t * stride + h * head_dim + i; offset, stride, head_dim: multiples of 4
//   1 table  f32 [positions, planes] pairs (cos, sin), positions >= length
// An invocation owns chunks_each chunks of four of one token; x of the grid counts them, y counts tokens from first_token on.
#include "shaders/common/interop.h"

#define ROTATE_ROWS_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) CONSTANT(1, uint, chunks_each, 1)
REGROUP_SPECIALIZATION(RotateRowsConstants, ROTATE_ROWS_CONSTANTS)
// head_chunks, offset and stride in chunks of four; chunks: of all heads of a token; positions: length; turn: 1, or -1 for the inverse.
REGROUP_PUSH_CONSTANTS(RotateRowsPush, uint chunks; uint head_chunks; uint planes; uint positions; uint offset; uint stride; uint first_token; float turn;)
