// Contract of shaders/sampling/advance.comp: moves the decode state on to the chosen token.
//   tokens[0] = chosen[0]; positions[0] += 1; history[the new positions[0]] = chosen[0], if that is below history_words
// A dispatch of its own: choose.comp would need a fifth storage buffer, and four are all that a device need offer. One invocation.
#include "shaders/common/interop.h"

REGROUP_PUSH_CONSTANTS(AdvancePush, uint history_words;)
