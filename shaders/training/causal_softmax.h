// Contract of shaders/training/causal_softmax.comp: attention weights that are kept, for passes that go backward through them.
//
//   p[b, s, t] = exp(l[b, s, t]) / (sum over allowed u of exp(l[b, s, u]))     for allowed t, 0 for the others of the row's last chunk of four
//   allowed: t <= s and, with a window, t > s - window
//
//   0 logits  f32 [batches, length, stride]: l, overwritten by p; row (b, s) begins at offset + (b * length + s) * stride. offset, stride: multiples of 4; stride >= length.
//             Elements past the chunk of four that holds the diagonal are neither read nor written.
// A row is walked twice: largest logit and sum together, then the weights. See row_sum.glsl for who owns a row; row = group of rows in x and y.
#include "shaders/common/interop.h"

// offset and stride in chunks of four; positions: length; window: 0 for none; rows: batches * length.
REGROUP_PUSH_CONSTANTS(CausalSoftmaxPush, uint rows; uint positions; uint stride; uint window; uint offset; uint groups_x;)
