// Contract of attention_broadcast.comp, the attention of CPU drivers with subgroups of 4 whose compiler does not unroll loops (SwiftShader); the
// equation, bindings and grid are those of attention.h.
// A workgroup is one subgroup of LANES = 4 invocations without barriers or shared memory; a step is LANES * BLOCKS positions. An invocation owns BLOCKS
// positions of the step while scores are computed, and every 4th run of 4 elements of a V row while they are summed; weights are broadcast.
// Arrays over rows and positions are unrolled at build time; only the sums, a row of head_dim elements each, are indexed at run time, once a step.
// Compiled for ROWS rows (1, 4); tile_heads * tile_tokens <= ROWS of them are used.
#include "shaders/attention/attention.h"
