// What the sampling kernels pass on to each other, in words of the scratch buffer, and how they share out a row of logits.
//
//   header   [kHeaderWords]                 see the k...Word names
//   largest  [chunks][4]                    written by largest.comp: largest logit, its id, sum of exponentials, largest magnitude
//   weighed  [chunks][kWeighedWords]        written by weigh.comp: one sum per limit (weigh.h)
//   list     keys [padded], ranks [padded], amounts [padded]    the tokens that collect.comp keeps, in any order; padded = vocabulary
//                                           rounded up to 4, rank = vocabulary - 1 - id. penalise.comp marks tokens in the keys' place before.
//
// The row is read as chunks of consecutive texels (four logits), one workgroup per chunk.
#ifndef REGROUP_SHADERS_SAMPLING_SCRATCH_H
#define REGROUP_SHADERS_SAMPLING_SCRATCH_H
#include "shaders/common/interop.h"

#ifdef __cplusplus
#define REGROUP_SAMPLING_CONSTANT(name, value) \
  namespace regroup::shader {                  \
  inline constexpr uint name = value;          \
  }
#else
#define REGROUP_SAMPLING_CONSTANT(name, value) const uint name = value;
#endif

REGROUP_SAMPLING_CONSTANT(kMaxChunks, 64)
REGROUP_SAMPLING_CONSTANT(kHeaderWords, 16)
REGROUP_SAMPLING_CONSTANT(kLargestWord, 16)
REGROUP_SAMPLING_CONSTANT(kWeighedWords, 16)
REGROUP_SAMPLING_CONSTANT(kWeighedWord, 272)  // kLargestWord + 4 * kMaxChunks
REGROUP_SAMPLING_CONSTANT(kListWord, 1296)    // kWeighedWord + kWeighedWords * kMaxChunks
// Fetches of four logits that an invocation makes per loop trip.
REGROUP_SAMPLING_CONSTANT(kFetches, 4)

// Header.
REGROUP_SAMPLING_CONSTANT(kListLengthWord, 0)
REGROUP_SAMPLING_CONSTANT(kListKeyWord, 1)    // every token whose key is at least this is in the list
REGROUP_SAMPLING_CONSTANT(kDrawTargetWord, 2) // kWeighDraw, two words: the sum that the drawn token must reach within the list
REGROUP_SAMPLING_CONSTANT(kDrawTotalWord, 4)  // kWeighDraw, two words: sum over all candidates
// The candidates, for whoever wants to see them: tokens whose key is above the cutoff's, or equal and their id not above the cutoff's.
REGROUP_SAMPLING_CONSTANT(kCutoffKeyWord, 6)
REGROUP_SAMPLING_CONSTANT(kCutoffIdWord, 7)

// What decides the list, by the settings.
REGROUP_SAMPLING_CONSTANT(kWeighCounts, 0)   // top-k is on: enough tokens
REGROUP_SAMPLING_CONSTANT(kWeighWeights, 1)  // only top-p is on: enough probability
REGROUP_SAMPLING_CONSTANT(kWeighDraw, 2)     // neither: the chunk in which the drawn token lies

#endif
