// Contract of attention_shared.comp, the attention of GPUs and of drivers without subgroup operations; the equation, bindings and grid are those of
// attention.h. A workgroup has workgroup_size invocations (a multiple of 64, at most 128) that cooperate through shared memory (14 KiB for 8 rows
// and 64 invocations) and, compiled with REDUCE_SUBGROUP, subgroup arithmetic; a step is workgroup_size positions. An invocation owns one position of
// the step while scores are computed, and 4 elements of every V row of its share of the positions while they are summed.
// Compiled for ROWS rows (1, 4, 8); tile_heads * tile_tokens <= ROWS of them are used.
#include "shaders/attention/attention.h"

#define ATTENTION_SHARED_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64)
REGROUP_SPECIALIZATION(AttentionSharedConstants, ATTENTION_SHARED_CONSTANTS)
