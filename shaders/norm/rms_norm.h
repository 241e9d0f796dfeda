// Contract of shaders/norm/rms_norm.comp (Zhang and Sennrich 2019, Root Mean Square Layer Normalization).
//   y[t, i] = x[t, i] / sqrt(mean over i of x[t, i]^2 + epsilon) * gain[i]            (accumulate: added to what y holds)
//
//   x, y   f32; element (t, i) is at offset + t * stride + i; offsets and strides are multiples of 4. y may be x.
//   gain   [columns] f32, readable up to a multiple of 4
// One workgroup per token (x of the grid). An invocation owns the chunks of four columns lane, lane + workgroup_size, ... in both passes,
// so that y may overwrite x; between the passes the partial sums meet in shared memory, with one barrier.
// columns: any; the rest of the last chunk of y is written with zeros (it belongs to the row: strides are multiples of 4).
// Variants: RMS_NORM_TEXEL reads x and gain through texel buffers (lavapipe); RMS_NORM_SUBGROUP adds within subgroups first.
#include "shaders/common/interop.h"

#define RMS_NORM_CONSTANTS(CONSTANT)   \
  CONSTANT(0, uint, workgroup_size, 64) /* at most 128 */ \
  CONSTANT(1, uint, accumulate, 0)
REGROUP_SPECIALIZATION(RmsNormConstants, RMS_NORM_CONSTANTS)
// Offsets and strides in chunks of four floats.
REGROUP_PUSH_CONSTANTS(RmsNormPush, uint columns; float epsilon; uint x_offset; uint x_stride; uint y_offset; uint y_stride;)
