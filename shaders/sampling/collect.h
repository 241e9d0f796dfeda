// Contract of shaders/sampling/collect.comp: lists the tokens among which the choice is made, as few as the limits of weigh.comp allow.
//   purpose kWeighCounts:   the logits above the highest limit that at least top_k tokens reach
//   purpose kWeighWeights:  the logits above the highest limit that at least the fraction top_p (in 2^-32) of all weight reaches
//   purpose kWeighDraw:     the candidates (logits >= largest + log_min_p) of the chunk in which the drawn token lies. Chunks are in the order
//                           of ids; the token is the first one where the sum of weights exceeds random * total.
//
//   logits     f32, element i of the row at 4 * offset + i; readable up to a multiple of 4
//   scratch    see scratch.h; reads `largest` and `weighed`, appends to the list, writes the header
//   positions  positions[0] is the counter of the random number (random.glsl)
// One workgroup per chunk, read as largest.comp reads it; each of them works out the limit for itself. An invocation appends the hits
// of a trip behind an atomic counter: the order of the list is not determined, and nothing depends on it.
// Variants: SAMPLING_TEXEL reads the logits through a texel buffer (lavapipe).
#include "shaders/sampling/scratch.h"

#define COLLECT_CONSTANTS(CONSTANT)                                         \
  CONSTANT(0, uint, workgroup_size, 64) /* a power of two of at most 128 */ \
  CONSTANT(1, uint, purpose, 0)
REGROUP_SPECIALIZATION(CollectConstants, COLLECT_CONSTANTS)
REGROUP_PUSH_CONSTANTS(CollectPush, uint vocabulary; uint offset; uint chunk_texels; uint chunks; uint top_k; uint top_p; float log_min_p;
                       uint seed_low; uint seed_high;)
