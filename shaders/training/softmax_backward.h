// Contract of shaders/training/softmax_backward.comp: what causal_softmax.comp does to a gradient, and the centring of logit errors.
//
//   g[b, s, t] := w[b, s, t] * (g[b, s, t] - sum over u <= s of w[b, s, u] g[b, s, u])      t <= s; 0 for the others of the row's last chunk of four
//
//   0 weights   f32 [batches, length, stride]: w, rows that sum to 1 and are 0 past the diagonal within its chunk of four
//   1 gradient  f32, alike: g, overwritten
// offsets, stride: multiples of 4; stride >= length; past the chunk of four that holds the diagonal nothing is read or written.
// A row is walked twice: the sum, then the result. See row_sum.glsl for who owns a row.
#include "shaders/common/interop.h"

// offsets and stride in chunks of four; positions: length; rows: batches * length.
REGROUP_PUSH_CONSTANTS(SoftmaxBackwardPush, uint rows; uint positions; uint stride; uint weights_offset; uint gradient_offset; uint groups_x;)
