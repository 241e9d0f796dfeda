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

void main() {
  uint lane = gl_LocalInvocationID.x;
  float largest = key_logit(key_of_largest());
  precise float draw_limit = largest + push.log_min_p;
  uint draw_key = order_key(draw_limit);

  uint sums[kWeighedWords];
  [[unroll]] for (uint c = 0u; c < kWeighedWords; ++c) sums[c] = 0u;
  uint begin = gl_WorkGroupID.x * push.chunk_texels + lane;
  uint end = begin + push.chunk_texels;
  for (uint t = begin; t < end; t += workgroup_size) {
    bvec4 valid;
    vec4 four = load_logits(t, valid);
    [[unroll]] for (uint c = 0u; c < 4u; ++c) {
      if (purpose == kWeighCounts) {
        [[unroll]] for (uint j = 0u; j < kCountLimits; ++j) {
          sums[j] += valid[c] && four[c] >= largest - kCountLimit[j] ? 1u : 0u;
        }
      } else {
        uint key = order_key(four[c]);
        float logit = key_logit(key);
        bool counts = valid[c] && (purpose == kWeighWeights || key >= draw_key);
        uint weight = counts ? weight_of(logit, largest, push.scale) : 0u;
        uint low = weight & 0xffffu;
        uint high = weight >> 16;
        if (purpose == kWeighWeights) {
          [[unroll]] for (uint j = 0u; j < kWeightLimits; ++j) {
            bool above = logit >= largest - kWeightLimit[j];
            sums[2u * j] += above ? low : 0u;
            sums[2u * j + 1u] += above ? high : 0u;
          }
        }
        sums[14] += low;
        sums[15] += high;
      }
    }
  }

  [[unroll]] for (uint c = 0u; c < kWeighedWords; ++c) columns[c * workgroup_size + lane] = sums[c];
  barrier();
  for (uint c = lane; c < kWeighedWords; c += workgroup_size) {
    uint sum = 0u;
    for (uint i = 0u; i < workgroup_size; ++i) sum += columns[c * workgroup_size + i];
    scratch[kWeighedWord + kWeighedWords * gl_WorkGroupID.x + c] = sum;
  }
}
