// The repetition penalty; see penalise.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/sampling/penalise.h"

layout(local_size_x = 32, local_size_x_id = 0) in;
layout(binding = 0) buffer Logits { float logits[]; };
layout(binding = 1) readonly buffer History { uint history[]; };
layout(binding = 2) readonly buffer Positions { uint positions[]; };
layout(binding = 3) buffer Scratch { uint scratch[]; };

void main() {
  uint end = min(positions[0] + 1u, push.history_words);
  uint begin = end - min(end, push.last);
  for (uint i = begin + gl_LocalInvocationID.x; i < end; i += workgroup_size) {
    uint token = history[i];
    if (token < push.vocabulary) atomicExchange(scratch[kListWord + token], 0u);
  }
  memoryBarrierBuffer();
  barrier();
  for (uint i = begin + gl_LocalInvocationID.x; i < end; i += workgroup_size) {
    uint token = history[i];
    if (token >= push.vocabulary || atomicExchange(scratch[kListWord + token], 1u) != 0u) continue;
    float logit = logits[push.offset + token];
    logits[push.offset + token] = logit * (logit > 0.0 ? push.reciprocal : push.penalty);
  }
}
