// Moves the decode state on to the chosen token; see advance.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/sampling/advance.h"

layout(local_size_x = 1) in;
layout(binding = 0) readonly buffer Chosen { uint chosen[]; };
layout(binding = 1) writeonly buffer Tokens { uint tokens[]; };
layout(binding = 2) buffer Positions { uint positions[]; };
layout(binding = 3) writeonly buffer History { uint history[]; };

void main() {
  tokens[0] = chosen[0];
  uint position = positions[0] + 1u;
  positions[0] = position;
  if (position < push.history_words) history[position] = chosen[0];
}
