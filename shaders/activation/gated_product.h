// Contract of shaders/activation/gated_product.comp (Shazeer 2020, GLU Variants Improve Transformer).
//   y[t, i] = act(gate[t, i]) * up[t, i]
//   act = SiLU: z * sigmoid(z);  GeLU (gelu_tanh = 1): z/2 * (1 + tanh(w)) = z * sigmoid(2w), w = sqrt(2/pi) * (z + 0.044715 z^3)
//
//   0 gate, 1 up, 2 y   f32; element (t, i) at offset + t * stride + i; offsets and strides are multiples of 4. y may be gate or up.
// x of the grid: chunks of four columns, chunks_each per invocation; y: tokens.
// columns: any; y is written up to a multiple of 4.
#include "shaders/common/interop.h"

#define GATED_PRODUCT_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) CONSTANT(1, uint, gelu_tanh, 0) CONSTANT(2, uint, chunks_each, 1)
REGROUP_SPECIALIZATION(GatedProductConstants, GATED_PRODUCT_CONSTANTS)
// Chunks, offsets and strides in chunks of four floats.
REGROUP_PUSH_CONSTANTS(GatedProductPush, uint chunks; uint gate_offset; uint gate_stride; uint up_offset; uint up_stride; uint y_offset;
                       uint y_stride;)
