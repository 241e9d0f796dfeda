// Contract of shaders/sampling/choose.comp: filters the list exactly and draws, in one workgroup.
// In the order of llama.cpp's default chain, each filter on what the one before left; tokens are ordered by logit, equal ones by id:
//   top-k   (top_k > 0)         the first top_k tokens
//   top-p   (with_top_p != 0)   the shortest run of first tokens that holds at least top_p (in 2^-32) of the probability
//   min-p                       tokens with logit >= largest + log_min_p
//   draw    weights 2^(draw_scale * (logit - largest)), draw_scale = log2(e) / temperature: the lowest id at which the sum over the ids up to
//           it exceeds random * total (random: random.glsl, counter positions[0])
// All probabilities are sums of integers (order.glsl), so that no order of addition changes a choice.
//
//   scratch    see scratch.h; reads the list and `largest`, uses the list's amounts, writes the cutoff
//   positions  read only
//   chosen     token, its probability among the candidates at this temperature, largest logit, 1 if a NaN or an infinity was seen
// Each filter and the draw is the same search: the largest value (key, or rank = vocabulary - 1 - id) at which a sum over everything from there
// up reaches a target. A pass over the list adds up from eight places at once and so divides the range by eight: at most eleven passes for keys,
// seven for ids. An invocation reads entries i, i + workgroup_size, ...
#include "shaders/sampling/scratch.h"

REGROUP_SAMPLING_CONSTANT(kPlaces, 8)
#define CHOOSE_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 32) /* a multiple of 8, a power of two of at most 128 */
REGROUP_SPECIALIZATION(ChooseConstants, CHOOSE_CONSTANTS)
REGROUP_PUSH_CONSTANTS(ChoosePush, uint vocabulary; uint chunks; uint purpose; uint top_k; uint with_top_p; uint top_p; float log_min_p;
                       float plain_scale; float draw_scale; uint seed_low; uint seed_high;)
