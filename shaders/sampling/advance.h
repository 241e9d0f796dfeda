// Contract of shaders/sampling/advance.comp: moves the decode state on to the chosen token.
//   tokens[0] = chosen[0]; positions[0] += 1; history[the new positions[0]] = chosen[0], if that is below history_words
//
//   0 chosen     [4] u32, the first is the token
//   1 tokens     u32, the first is written
//   2 positions  u32, the first is read and written
//   3 history    [history_words] u32
// A dispatch of its own: choose.comp would need a fifth storage buffer, and four are all that a device need offer. One invocation.
#include "shaders/common/interop.h"

REGROUP_PUSH_CONSTANTS(AdvancePush, uint history_words;)
