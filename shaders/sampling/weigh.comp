// Counts or weighs the logits of each chunk above a few limits; see weigh.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/sampling/weigh.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
#include "shaders/sampling/limits.glsl"
#include "shaders/sampling/logits.glsl"
#include "shaders/sampling/order.glsl"
layout(binding = 1) buffer Scratch { uint scratch[]; };
#include "shaders/sampling/key_of_largest.glsl"

shared uint columns[kWeighedWords * 128];

uint first_texel() { return gl_WorkGroupID.x * push.chunk_texels + gl_LocalInvocationID.x; }
uint end_texel() { return (gl_WorkGroupID.x + 1u) * push.chunk_texels; }
void keep(uint column, uint sum) { columns[column * workgroup_size + gl_LocalInvocationID.x] = sum; }

// One function per purpose, each with its own loop: drivers carry everything that a loop keeps through its branches.
void count_above_limits(float largest) {
  float limits[kCountLimits];
  uint counts[kCountLimits];
  [[unroll]] for (uint j = 0u; j < kCountLimits; ++j) {
    limits[j] = largest - kCountLimit[j];  // compared as in collect.comp, or a list might fall short of top_k
    counts[j] = 0u;
  }
  for (uint t = first_texel(); t < end_texel(); t += workgroup_size) {
    bvec4 valid;
    vec4 four = load_logits(t, valid);
    [[unroll]] for (uint j = 0u; j < kCountLimits; ++j) {
      uvec4 hits = uvec4(greaterThanEqual(four, vec4(limits[j])));
      counts[j] += hits.x + hits.y + hits.z + hits.w;
    }
  }
  [[unroll]] for (uint j = 0u; j < kCountLimits; ++j) keep(j, counts[j]);
  keep(kCountLimits, 0u);
}

void weigh_above_limits(float largest) {
  float limits[kWeightLimits];
  uint low[kWeightLimits + 1u];
  uint high[kWeightLimits + 1u];
  [[unroll]] for (uint j = 0u; j < kWeightLimits; ++j) limits[j] = largest - kWeightLimit[j];
  [[unroll]] for (uint j = 0u; j <= kWeightLimits; ++j) low[j] = high[j] = 0u;
  for (uint t = first_texel(); t < end_texel(); t += workgroup_size) {
    bvec4 valid;
    vec4 four = load_logits(t, valid);
    [[unroll]] for (uint c = 0u; c < 4u; ++c) {
      float logit = key_logit(order_key(four[c]));
      uint weight = valid[c] ? weight_of(logit, largest, push.scale) : 0u;
      [[unroll]] for (uint j = 0u; j < kWeightLimits; ++j) {
        uint counted = logit >= limits[j] ? weight : 0u;
        low[j] += counted & 0xffffu;
        high[j] += counted >> 16;
      }
      low[kWeightLimits] += weight & 0xffffu;
      high[kWeightLimits] += weight >> 16;
    }
  }
  [[unroll]] for (uint j = 0u; j <= kWeightLimits; ++j) {
    keep(2u * j, low[j]);
    keep(2u * j + 1u, high[j]);
  }
}

void weigh_candidates(float largest) {
  precise float limit = largest + push.log_min_p;
  uint limit_key = order_key(limit);
  uint low = 0u;
  uint high = 0u;
  for (uint t = first_texel(); t < end_texel(); t += workgroup_size) {
    bvec4 valid;
    vec4 four = load_logits(t, valid);
    [[unroll]] for (uint c = 0u; c < 4u; ++c) {
      uint key = order_key(four[c]);
      uint weight = valid[c] && key >= limit_key ? weight_of(key_logit(key), largest, push.scale) : 0u;
      low += weight & 0xffffu;
      high += weight >> 16;
    }
  }
  [[unroll]] for (uint c = 0u; c < 2u * kWeightLimits; ++c) keep(c, 0u);
  keep(2u * kWeightLimits, low);
  keep(2u * kWeightLimits + 1u, high);
}

void main() {
  float largest = key_logit(key_of_largest());
  if (purpose == kWeighCounts) {
    count_above_limits(largest);
  } else if (purpose == kWeighWeights) {
    weigh_above_limits(largest);
  } else {
    weigh_candidates(largest);
  }
  barrier();
  for (uint c = gl_LocalInvocationID.x; c < kWeighedWords; c += workgroup_size) {
    uint sum = 0u;
    for (uint i = 0u; i < workgroup_size; ++i) sum += columns[c * workgroup_size + i];
    scratch[kWeighedWord + kWeighedWords * gl_WorkGroupID.x + c] = sum;
  }
}
