// Contract of shaders/training/gate_backward.comp: the way back through a gated product (gated_product.h), in place.
//
//   gate[t, i] := dy[t, i] up[t, i] act'(gate[t, i]),  up[t, i] := dy[t, i] act(gate[t, i])
//   act = SiLU: z * sigmoid(z);  GeLU (gelu_tanh = 1): z * sigmoid(2w), w = sqrt(2/pi) * (z + 0.044715 z^3)
//
//   0 gate, 1 up, 2 dy   f32; element (t, i) at offset + t * stride + i; offsets and strides are multiples of 4
// x of the grid: chunks of four columns, chunks_each per invocation; y: tokens. columns: any; gate and up are written up to a multiple of 4.
#include "shaders/common/interop.h"

#define GATE_BACKWARD_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) CONSTANT(1, uint, gelu_tanh, 0) CONSTANT(2, uint, chunks_each, 1)
REGROUP_SPECIALIZATION(GateBackwardConstants, GATE_BACKWARD_CONSTANTS)
// Chunks, offsets and strides in chunks of four floats.
REGROUP_PUSH_CONSTANTS(GateBackwardPush, uint chunks; uint gate_offset; uint gate_stride; uint up_offset; uint up_stride; uint dy_offset;
                       uint dy_stride;)
