// Puts the chunks' largest logits together and moves the decode state on; see greedy.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_texture_buffer : enable
#include "shaders/sampling/greedy.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
#include "shaders/sampling/best.glsl"
layout(binding = 0) uniform usamplerBuffer largest;
layout(binding = 1) writeonly buffer Tokens { uint tokens[]; };
layout(binding = 2) buffer Positions { uint positions[]; };
layout(binding = 3) writeonly buffer History { uint history[]; };
layout(binding = 4) writeonly buffer Chosen { uint chosen[]; };

void main() {
  Best best = no_best();
  for (uint chunk = gl_LocalInvocationID.x; chunk < push.chunks; chunk += workgroup_size) {
    uvec4 words = texelFetch(largest, int(kLargestWord / 4u + chunk));
    best = better_of(best, Best(uintBitsToFloat(words.x), words.y, uintBitsToFloat(words.z), words.w));
  }
  best = best_of_workgroup(best);
  if (gl_LocalInvocationID.x != 0u) return;

  bool finite = best.magnitude < kInfinityBits;
  uint token = best.id == kNoId ? 0u : best.id;
  chosen[0] = token;
  chosen[1] = finite ? floatBitsToUint(1.0 / best.sum) : 0u;
  chosen[2] = floatBitsToUint(best.logit);
  chosen[3] = finite ? 0u : 1u;
  tokens[0] = token;
  uint position = positions[0] + 1u;
  positions[0] = position;
  if (position < push.history_words) history[position] = token;
}
