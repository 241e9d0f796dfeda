// Contract of shaders/sampling/penalise.comp (Keskar et al. 2019, CTRL, section 4.1; negative logits as llama.cpp and transformers do it).
//   for every token among history[max(0, p + 1 - last) .. p], p = positions[0], once however often it occurs:
//     logit = logit > 0 ? logit * reciprocal : logit * penalty
//
//   logits     f32, element i of the row at offset + i
//   history, positions   u32
//   scratch    [list_word + vocabulary]: marks of tokens, cleared and set here
// One workgroup; invocation i takes the history entries i, i + workgroup_size, ... Entries that are no token are skipped.
#include "shaders/sampling/scratch.h"

#define PENALISE_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 32)
REGROUP_SPECIALIZATION(PenaliseConstants, PENALISE_CONSTANTS)
REGROUP_PUSH_CONSTANTS(PenalisePush, uint vocabulary; uint offset; uint history_words; uint last; float penalty; float reciprocal;)
