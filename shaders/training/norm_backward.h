// Contract of shaders/training/norm_backward.comp: the way back through a root-mean-square norm (rms_norm.h), for its input.
//
//   dx[t, i] += r gain[i] dy[t, i] - x[t, i] r^3 / columns * (sum over j of gain[j] dy[t, j] x[t, j])
//   with r = 1 / sqrt(mean over j of x[t, j]^2 + epsilon)
//
//   0 x, 1 dy  f32 [rows, columns]: element (t, i) at offset + t * stride + i; offsets and strides are multiples of 4
//   2 gain     f32 [columns], readable up to a multiple of 4
//   3 dx       f32, as x; shares no element with x or dy
// A row is walked twice: both sums, then the result. See row_sum.glsl for who owns a row. columns: any; what lies between a row's end and the
// next multiple of 4 does not count, in dx it is left as it is.
#include "shaders/common/interop.h"

// Offsets and strides in chunks of four.
REGROUP_PUSH_CONSTANTS(NormBackwardPush, uint rows; uint columns; float epsilon; uint x_offset; uint x_stride; uint dy_offset; uint dy_stride;
                       uint dx_offset; uint dx_stride; uint groups_x;)
