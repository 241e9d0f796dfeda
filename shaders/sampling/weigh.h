// Contract of shaders/sampling/weigh.comp: how many tokens, or how much probability, lie above a few limits below the largest logit.
//   purpose kWeighCounts:   weighed[chunk][j] = number of logits >= largest - count_limit(j), j < 15
//   purpose kWeighWeights:  weighed[chunk][2j], [2j + 1] = lower and upper 16 bits, added up apart, of the weights of the logits
//                           >= largest - weight_limit(j), j < 7; j = 7: of all logits
//   purpose kWeighDraw:     weighed[chunk][14], [15] = the same of all logits >= largest + log_min_p
//   weight = 2^(scale * (logit - largest)) in units of 2^-30 (order.glsl)
//
//   logits   f32, element i of the row at 4 * offset + i; readable up to a multiple of 4
//   scratch  see scratch.h; reads `largest`, writes `weighed`
// One workgroup per chunk, read as largest.comp reads it.
// Variants: SAMPLING_TEXEL reads the logits through a texel buffer (lavapipe).
#include "shaders/sampling/scratch.h"

#define WEIGH_CONSTANTS(CONSTANT)                                           \
  CONSTANT(0, uint, workgroup_size, 64) /* a power of two of at most 128 */ \
  CONSTANT(1, uint, purpose, 0)
REGROUP_SPECIALIZATION(WeighConstants, WEIGH_CONSTANTS)
REGROUP_PUSH_CONSTANTS(WeighPush, uint vocabulary; uint offset; uint chunk_texels; uint chunks; float scale; float log_min_p;)
