// Contract of attention_registers.comp, the attention of CPU drivers; the equation, bindings and grid are those of attention.h.
// A workgroup is one subgroup of LANES invocations that share nothing but what they shuffle; a step is LANES positions. An invocation owns one
// position of the step while scores are computed, and the same elements of every V row while they are summed.
// Everything about the rows is a specialisation constant, equal to the push constant of that name: arrays of rows * head_dim elements must stay
// in registers, so every loop over them has to be unrolled.
// Beyond some 1024 elements of sums per workgroup the spilling costs more than a further row saves.
#include "shaders/attention/attention.h"

#define ATTENTION_REGISTERS_CONSTANTS(CONSTANT) \
  CONSTANT(0, int, head_dim, 64) \
  CONSTANT(1, int, tile_heads, 1) \
  CONSTANT(2, int, tile_tokens, 1) \
  CONSTANT(3, uint, capped, 0)
REGROUP_SPECIALIZATION(AttentionRegistersConstants, ATTENTION_REGISTERS_CONSTANTS)
