// Contract of shaders/activation/add.comp.
//   y[i] = a[i] + b[i],  i < count.  One invocation per element; a, b, y: [count] f32.
#include "shaders/common/interop.h"

#define ADD_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64)
REGROUP_SPECIALIZATION(AddConstants, ADD_CONSTANTS)
REGROUP_PUSH_CONSTANTS(AddPush, uint count;)
