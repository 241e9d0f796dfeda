// Contract of shaders/sampling/greedy.comp: the last stage of a greedy choice.
//   token = the lowest id among the largest logits (0 if no logit is a number); probability = 1 / sum over i of exp(logit[i] - largest)
//
//   largest    [chunks] uvec4, the chunks' findings (largest.h), through a texel buffer: four storage buffers are all a device need offer
//   tokens     tokens[0] = token
//   positions  positions[0] += 1
//   history    history[the new positions[0]] = token, if that is below history_words
//   chosen     token, probability, largest logit, 1 if a NaN or an infinity was seen (then the probability is 0)
// One workgroup; invocation i reads the findings i, i + workgroup_size, ...
#include "shaders/sampling/scratch.h"

#define GREEDY_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) /* a power of two of at most 128 */
REGROUP_SPECIALIZATION(GreedyConstants, GREEDY_CONSTANTS)
REGROUP_PUSH_CONSTANTS(GreedyPush, uint chunks; uint history_words;)
