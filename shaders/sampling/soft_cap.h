// Contract of shaders/sampling/soft_cap.comp (Gemma 2, section 2: logit soft-capping).
//   y[t, i] = cap * tanh(y[t, i] / cap), in place
//
//   y   f32; element (t, i) is at 4 * (offset + t * stride) + i; the rest of a row's last chunk of four is capped too
// Row y of the grid; invocation x takes the chunks x, x + workgroups * workgroup_size, ... of its row.
// Variants: SAMPLING_TEXEL reads through a texel buffer (lavapipe); each chunk is read and written by the same invocation.
#include "shaders/common/interop.h"

#define SOFT_CAP_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64)
REGROUP_SPECIALIZATION(SoftCapConstants, SOFT_CAP_CONSTANTS)
REGROUP_PUSH_CONSTANTS(SoftCapPush, uint chunks; uint offset; uint stride; float cap; float reciprocal;)
