// What the sampling kernels pass on to each other, in words of the scratch buffer, and how they share out a row of logits.
//
//   header   [kHeaderWords]                          see the k...Word names
//   largest  [chunks][4]                             written by largest.comp: largest logit, its id, sum of exponentials, finite or not
//   weighed  [chunks][kWeighedWords]                 written by weigh.comp
//   list     keys [padded], ids [padded], weights [padded]    the candidates that collect.comp keeps, in any order; padded = vocabulary
//                                                    rounded up to 4. penalise.comp marks tokens in the keys' place before.
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
// Of the header.
REGROUP_SAMPLING_CONSTANT(kListLengthWord, 0)
REGROUP_SAMPLING_CONSTANT(kCutoffKeyWord, 1)  // token i was a candidate if its key is above the cutoff's, or equal and i <= the cutoff's id
REGROUP_SAMPLING_CONSTANT(kCutoffIdWord, 2)

#endif
