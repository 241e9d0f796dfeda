// Contract of the products with a weight matrix: shaders/linear/*.comp.
//
//   y[t, m] = f * (sum over k of W[m, k] * gain[k] * x[t, k]) + bias[m]  (+ y[t, m] with LINEAR_ACCUMULATE)
//   gated:  y[t, i] = act(y'[t, 2i]) * y'[t, 2i + 1], where y' is the line above without accumulation
//   f = 1 / sqrt(mean over k of x[t, k]^2 + epsilon) with a norm (gain is then a factor of x), otherwise 1 and no gain: RMSNorm (Zhang and Sennrich
//   2019) is linear but for f, so that f may be applied at the end. gated: SwiGLU, GeGLU (Shazeer 2020).
//
// Bindings (T: uniform texel buffer of 16-byte elements in the *_texel kernels, storage buffer in all others):
//   0 weights  T  uvec4 chunks of one slice (runtime/formats/panel_layout.h)
//   1 x        T  vec4 [tokens][columns rounded up to 32] at x_offset + t * x_stride
//   2 y           f32  [tokens][matrix rows, half of them when gated] at y_offset + t * y_stride
//   3 gain        uniform texel buffer everywhere (<= 65536 texels, the guaranteed minimum: K <= 262144), [columns rounded up to 32], decode only
//   4 bias        f32  [matrix rows]
//   With -DROPE_STORE (decode, texel kernels) the rows are queries, keys and values of one token from column `column` on: queries are rotated on
//   their way to y; keys and values go to y as they are, and rotated to the cache (shaders/position/rope_store.h, interleaved planes, no norm):
//   5 cache       one KvCacheSlice of f32 or f16
//   6 table    T  (cos, sin) of two planes in a texel; planes are even
//   7 positions   [1] u32
// That makes 4 storage buffers at most. Bindings that a flag leaves unused may hold anything.
//
// Row per lane (CPU drivers): a workgroup of LANES invocations (one subgroup, where subgroup operations are used) owns a panel of LANES * 4 rows,
// an invocation 4 whole rows, for one token (decode) or TOKENS tokens (prefill); nothing is reduced and there is no barrier. panel_rows must be
// LANES * 4.
// Columns per lane (GPUs, panel_rows 1): decode: a workgroup owns two rows of one token, an invocation every workgroup_size-th block of 32 columns
// of each; a few tokens: the same with four rows of eight tokens, no norm; prefill: a workgroup of 64 owns a tile of 64 rows x 32 tokens and stages blocks of 32 columns as floats in shared memory.
//
// Rows and tokens may be any number: stores are masked, loads clamped. Rows beyond 65535 workgroups go on in y: group = x + y * groups_x.
#include "shaders/common/interop.h"

#define LINEAR_CONSTANTS(CONSTANT)    \
  CONSTANT(0, uint, workgroup_size, 64) \
  CONSTANT(1, uint, with_norm, 0)       \
  CONSTANT(2, uint, flags, 0)           \
  CONSTANT(3, uint, head_dim, 64) /* of ROPE_STORE */
REGROUP_SPECIALIZATION(LinearConstants, LINEAR_CONSTANTS)

// rows: of this slice; first_row: of the matrix (where its results, and its biases, begin); skip_chunks: chunks of the buffer before the slice.
// query_columns .. first_head are of ROPE_STORE: a token's columns are query_columns queries, key_columns keys, the rest values; planes: that turn;
// capacity: positions of the cache; v_at: words before its values; first_head: head of the cache that the first key head is.
// panel_chunks: chunks of a panel; x_offset, x_stride: in vec4; y_offset, y_stride: in floats; tokens: of this dispatch.
REGROUP_PUSH_CONSTANTS(LinearPush,
  uint rows; uint first_row; uint skip_chunks; uint panel_chunks; uint columns; uint blocks; uint tokens;
  uint x_offset; uint x_stride; uint y_offset; uint y_stride; float epsilon;
  uint column; uint query_columns; uint key_columns; uint planes; uint capacity; uint v_at; uint first_head;)

// Constants, not push constants: a CPU driver would go through what a flag leaves out lane by lane, with all lanes masked.
#define LINEAR_BIAS 1u
#define LINEAR_ACCUMULATE 2u
#define LINEAR_SILU 4u
#define LINEAR_GELU_TANH 8u
#define LINEAR_GATED 12u
// Rows are no multiple of four (row-per-lane kernels store one by one then).
#define LINEAR_RAGGED 16u
// ROPE_STORE: the cache holds halves.
#define LINEAR_CACHE_F16 32u
