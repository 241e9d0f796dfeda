// The largest logit of each chunk of a row; see largest.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/sampling/largest.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
#include "shaders/sampling/best.glsl"
#include "shaders/sampling/logits.glsl"
layout(binding = 1) writeonly buffer Scratch { uint scratch[]; };

vec4 exponentials(vec4 x) { return vec4(exponential(x.x), exponential(x.y), exponential(x.z), exponential(x.w)); }

void main() {
  uint chunk = gl_WorkGroupID.x;
  uint begin = chunk * push.chunk_texels + gl_LocalInvocationID.x;
  uint end = begin + push.chunk_texels;

  vec4 best = vec4(-kLargestFloat);
  uvec4 best_texel = uvec4(kNoId);
  vec4 sums = vec4(0.0);
  uvec4 magnitudes = uvec4(0u);
  for (uint t = begin; t < end; t += kFetches * workgroup_size) {
    vec4 before = best;
    vec4 four[kFetches];
    [[unroll]] for (uint u = 0u; u < kFetches; ++u) {
      bvec4 valid;
      uint texel = t + u * workgroup_size;
      four[u] = load_logits(texel, valid);
      bvec4 better = greaterThan(four[u], best);
      best = mix(best, four[u], better);
      best_texel = mix(best_texel, uvec4(texel), better);
      magnitudes = max(magnitudes, floatBitsToUint(four[u]) & 0x7fffffffu);
    }
    if (with_sum != 0u) {
      sums *= exponentials(before - best);
      [[unroll]] for (uint u = 0u; u < kFetches; ++u) sums += exponentials(four[u] - best);
    }
  }

  Best mine = no_best();
  [[unroll]] for (uint c = 0u; c < 4u; ++c) {
    uint id = best_texel[c] == kNoId ? kNoId : 4u * best_texel[c] + c;
    mine = better_of(mine, Best(best[c], id, sums[c], magnitudes[c]));
  }
  mine = best_of_workgroup(mine);
  if (gl_LocalInvocationID.x == 0u) {
    uint word = kLargestWord + 4u * chunk;
    scratch[word] = floatBitsToUint(mine.logit);
    scratch[word + 1u] = mine.id;
    scratch[word + 2u] = floatBitsToUint(mine.sum);
    scratch[word + 3u] = mine.magnitude;
    if (chunk == 0u) scratch[kListLengthWord] = 0u;
  }
}
