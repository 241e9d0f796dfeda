// Contract of shaders/sampling/largest.comp: the first stage of every choice.
//   per chunk: largest logit, the lowest id that has it, sum over the chunk of exp(logit - largest), largest magnitude (shows NaN, infinity)
//
//   logits   f32, element i of the row at 4 * offset + i; readable up to a multiple of 4
//   scratch  see scratch.h; writes `largest`, and sets the list's length to 0
// One workgroup per chunk of chunk_texels texels, a multiple of kFetches * workgroup_size. In every trip an invocation loads kFetches texels,
// neighbours beside each other; it keeps four running maxima, one per component, whose sums are rescaled once per trip (Milakov and
// Gimelshein 2018, Online normalizer calculation for softmax). Then the invocations meet in shared memory.
// Variants: SAMPLING_TEXEL reads the logits through a texel buffer (lavapipe).
#include "shaders/sampling/scratch.h"

#define LARGEST_CONSTANTS(CONSTANT)                                             \
  CONSTANT(0, uint, workgroup_size, 64) /* a power of two of at most 128 */     \
  CONSTANT(1, uint, with_sum, 1)        /* 0: the sums are not wanted */
REGROUP_SPECIALIZATION(LargestConstants, LARGEST_CONSTANTS)
REGROUP_PUSH_CONSTANTS(LargestPush, uint vocabulary; uint offset; uint chunk_texels;)
