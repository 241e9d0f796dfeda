// Lists the tokens among which the choice is made; see collect.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/sampling/collect.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
#include "shaders/sampling/limits.glsl"
#include "shaders/sampling/logits.glsl"
#include "shaders/sampling/order.glsl"
#include "shaders/sampling/random.glsl"
layout(binding = 1) buffer Scratch { uint scratch[]; };
layout(binding = 2) readonly buffer Positions { uint positions[]; };
#include "shaders/sampling/key_of_largest.glsl"

shared uvec2 totals[kMaxChunks];

uvec2 weighed_pair(uint chunk, uint pair) {
  uint word = kWeighedWord + kWeighedWords * chunk + 2u * pair;
  return join_halves(scratch[word], scratch[word + 1u]);
}

// The lowest key that belongs into the list.
uint list_key_by_counts(float largest) {
  for (uint j = gl_LocalInvocationID.x; j < kCountLimits; j += workgroup_size) {
    uint total = 0u;
    for (uint chunk = 0u; chunk < push.chunks; ++chunk) total += scratch[kWeighedWord + kWeighedWords * chunk + j];
    totals[j] = uvec2(total, 0u);
  }
  barrier();
  for (uint j = 0u; j < kCountLimits; ++j) {
    if (totals[j].x >= push.top_k) return order_key(largest - kCountLimit[j]);
  }
  return kLowestKey;
}

uint list_key_by_weights(float largest) {
  for (uint j = gl_LocalInvocationID.x; j <= kWeightLimits; j += workgroup_size) {
    uvec2 total = uvec2(0u);
    for (uint chunk = 0u; chunk < push.chunks; ++chunk) total = add_wide(total, weighed_pair(chunk, j));
    totals[j] = total;
  }
  barrier();
  uvec2 wanted = scale_wide(totals[kWeightLimits], push.top_p, true);
  if (gl_WorkGroupID.x == 0u && gl_LocalInvocationID.x == 0u) {
    scratch[kDrawTotalWord] = totals[kWeightLimits].x;
    scratch[kDrawTotalWord + 1u] = totals[kWeightLimits].y;
  }
  for (uint j = 0u; j < kWeightLimits; ++j) {
    if (!less_wide(totals[j], wanted)) return order_key(largest - kWeightLimit[j]);
  }
  return kLowestKey;
}

// The chunk in which the drawn token lies, with what the chunks before it leave of the sum to be reached.
uint drawn_chunk(out uvec2 target, out uvec2 total) {
  for (uint chunk = gl_LocalInvocationID.x; chunk < push.chunks; chunk += workgroup_size) {
    totals[chunk] = weighed_pair(chunk, kWeightLimits);
  }
  barrier();
  total = uvec2(0u);
  for (uint chunk = 0u; chunk < push.chunks; ++chunk) total = add_wide(total, totals[chunk]);
  uint random = random_word(push.seed_low, push.seed_high, positions[0]);
  target = add_wide(scale_wide(total, random, false), uvec2(1u, 0u));
  uint drawn = 0u;
  while (drawn + 1u < push.chunks && less_wide(totals[drawn], target)) {
    target = subtract_wide(target, totals[drawn]);
    ++drawn;
  }
  return drawn;
}

void main() {
  uint chunk = gl_WorkGroupID.x;
  float largest = key_logit(key_of_largest());
  uint list_key;
  bool listed = true;
  if (purpose == kWeighCounts) {
    list_key = list_key_by_counts(largest);
  } else if (purpose == kWeighWeights) {
    list_key = list_key_by_weights(largest);
  } else {
    precise float draw_limit = largest + push.log_min_p;
    list_key = order_key(draw_limit);
    uvec2 target, total;
    listed = chunk == drawn_chunk(target, total);
    if (listed && gl_LocalInvocationID.x == 0u) {
      scratch[kDrawTargetWord] = target.x;
      scratch[kDrawTargetWord + 1u] = target.y;
      scratch[kDrawTotalWord] = total.x;
      scratch[kDrawTotalWord + 1u] = total.y;
    }
  }
  if (chunk == 0u && gl_LocalInvocationID.x == 0u) scratch[kListKeyWord] = list_key;
  if (!listed) return;

  uint padded = (push.vocabulary + 3u) & ~3u;
  uint begin = chunk * push.chunk_texels + gl_LocalInvocationID.x;
  uint end = begin + push.chunk_texels;
  for (uint t = begin; t < end; t += kFetches * workgroup_size) {
    uint hits = 0u;
    [[unroll]] for (uint u = 0u; u < kFetches; ++u) {
      bvec4 valid;
      vec4 four = load_logits(t + u * workgroup_size, valid);
      [[unroll]] for (uint c = 0u; c < 4u; ++c) {
        if (valid[c] && order_key(four[c]) >= list_key) hits |= 1u << (4u * u + c);
      }
    }
    // Hits are rare: one short loop over them, since CPU drivers run the stores of a branch that no invocation takes.
    uint slot = kListWord;
    if (hits != 0u) slot += atomicAdd(scratch[kListLengthWord], uint(bitCount(hits)));
    while (hits != 0u) {
      uint bit = uint(findLSB(hits));
      hits &= hits - 1u;
      uint texel = t + bit / 4u * workgroup_size;
      bvec4 valid;
      vec4 four = load_logits(texel, valid);
      scratch[slot] = order_key(four[bit % 4u]);
      scratch[slot + padded] = push.vocabulary - 1u - (4u * texel + bit % 4u);
      ++slot;
    }
  }
}
