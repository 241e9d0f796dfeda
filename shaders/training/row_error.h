// Contract of shaders/training/row_error.comp: how far rows are from other rows.
//
//   errors[t] = (sum over i of (a[t, i] - b[t, i])^2, sum over i of b[t, i]^2)
//
//   0 a, 1 b   f32 [rows, columns]: element (t, i) at offset + t * stride + i; offsets and strides are multiples of 4
//   2 errors   f32 [rows] pairs
// See row_sum.glsl for who owns a row. columns: any; what lies between a row's end and the next multiple of 4 does not count.
#include "shaders/common/interop.h"

// Offsets and strides in chunks of four.
REGROUP_PUSH_CONSTANTS(RowErrorPush, uint rows; uint columns; uint a_offset; uint a_stride; uint b_offset; uint b_stride; uint groups_x;)
