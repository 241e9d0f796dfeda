// Contract of shaders/training/adam.comp: one step of Adam (Kingma and Ba 2015, algorithm 1).
//
//   m := beta1 m + (1 - beta1) g,  v := beta2 v + (1 - beta2) g^2,  w := w - rate * m / (sqrt(v * scale2) + epsilon)
//   with rate = learning rate / (1 - beta1^step) and scale2 = 1 / (1 - beta2^step), the corrections of the moments' bias
//
//   0 weights, 1 gradient, 2 first, 3 second   f32 [4 * chunks] each: w, g, m, v
// An invocation owns chunks_each chunks of four.
#include "shaders/common/interop.h"

#define ADAM_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) CONSTANT(1, uint, chunks_each, 1)
REGROUP_SPECIALIZATION(AdamConstants, ADAM_CONSTANTS)
REGROUP_PUSH_CONSTANTS(AdamPush, uint chunks; float rate; float beta1; float beta2; float scale2; float epsilon; uint groups_x;)
