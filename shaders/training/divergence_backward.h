// Contract of shaders/training/divergence_backward.comp: the gradient of a Kullback-Leibler divergence for the logits of the distribution that is to
// come near, row by row and in place.
//
//   logits[t, i] := q[t, i] - p[t, i],  q = softmax over i of logits[t], p = softmax over i of baseline[t]
//
//   0 baseline  f32 [rows, columns]: element (t, i) at offset + t * stride + i; offsets and strides are multiples of 4
//   1 logits    f32, alike; overwritten
// A row is walked three times: largest values, sums, result. See row_sum.glsl for who owns a row. columns: any; what lies between a row's end and
// the next multiple of 4 does not count and becomes 0.
#include "shaders/common/interop.h"

// Offsets and strides in chunks of four.
REGROUP_PUSH_CONSTANTS(DivergenceBackwardPush, uint rows; uint columns; uint baseline_offset; uint baseline_stride; uint logits_offset; uint logits_stride;
                       uint groups_x;)
