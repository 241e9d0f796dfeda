// Divergence, negative log-likelihoods and top tokens of pairs of logit rows; see compare_logits.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
#include "shaders/sampling/compare_logits.h"
#include "shaders/sampling/not_numbers.glsl"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer Baseline { vec4 baseline[]; };
layout(binding = 1) readonly buffer Logits { vec4 logits[]; };
layout(binding = 2) readonly buffer Targets { uint targets[]; };
layout(binding = 3) writeonly buffer Scores { uint scores[]; };

shared vec2 shared_largest[128];
shared uvec2 shared_best[128];
shared vec3 shared_sums[128];

#define LOWEST -3.4028235e38  // every column beats it but -infinity and NaN

// SwiftShader's exp and log make numbers of NaN.
vec4 exponentials(vec4 x) {
  return mix(exp(x), x, not_numbers(x));
}
vec2 logarithms(vec2 x) {
  return mix(log(x), x, not_numbers(x.xyxy).xy);
}

void main() {
  uint lane = gl_LocalInvocationID.x;
  uint row = gl_WorkGroupID.x;
  uint baseline_row = push.baseline_offset + row * push.baseline_stride;
  uint logits_row = push.logits_offset + row * push.logits_stride;
  uint chunks = (push.columns + 3u) / 4u;

  vec2 largest = vec2(LOWEST);
  uvec2 best = uvec2(0);
  for (uint c = lane; c < chunks; c += workgroup_size) {
    bvec4 inside = lessThan(uvec4(4u * c) + uvec4(0, 1, 2, 3), uvec4(push.columns));
    vec4 a = mix(vec4(LOWEST), baseline[baseline_row + c], inside);
    vec4 b = mix(vec4(LOWEST), logits[logits_row + c], inside);
    // Unrolled: lavapipe counts the trips of inner loops too.
    [[unroll]] for (int j = 0; j < 4; ++j) {
      if (a[j] > largest.x) {
        largest.x = a[j];
        best.x = 4u * c + uint(j);
      }
      if (b[j] > largest.y) {
        largest.y = b[j];
        best.y = 4u * c + uint(j);
      }
    }
  }
  shared_largest[lane] = largest;
  shared_best[lane] = best;
  barrier();
  for (uint i = 0; i < workgroup_size; ++i) {
    vec2 other = shared_largest[i];
    uvec2 index = shared_best[i];
    if (other.x > largest.x || (other.x == largest.x && index.x < best.x)) {
      largest.x = other.x;
      best.x = index.x;
    }
    if (other.y > largest.y || (other.y == largest.y && index.y < best.y)) {
      largest.y = other.y;
      best.y = index.y;
    }
  }

  vec4 sum_a = vec4(0.0), sum_b = vec4(0.0), apart = vec4(0.0);
  for (uint c = lane; c < chunks; c += workgroup_size) {
    vec4 a = baseline[baseline_row + c] - largest.x;
    vec4 b = logits[logits_row + c] - largest.y;
    bvec4 inside = lessThan(uvec4(4u * c) + uvec4(0, 1, 2, 3), uvec4(push.columns));
    vec4 weight_a = mix(vec4(0.0), exponentials(a), inside);
    sum_a += weight_a;
    sum_b += mix(vec4(0.0), exponentials(b), inside);
    apart += mix(vec4(0.0), weight_a * (a - b), notEqual(weight_a, vec4(0.0)));  // 0 log 0 = 0
  }
  shared_sums[lane] = vec3(dot(sum_a, vec4(1.0)), dot(sum_b, vec4(1.0)), dot(apart, vec4(1.0)));
  barrier();
  if (lane != 0u) return;
  vec3 sums = vec3(0.0);
  for (uint i = 0; i < workgroup_size; ++i) sums += shared_sums[i];

  uint target = targets[row];
  float at_baseline = baseline[baseline_row + target / 4u][target % 4u] - largest.x;
  float at_logits = logits[logits_row + target / 4u][target % 4u] - largest.y;
  vec2 log_sums = logarithms(sums.xy);
  scores[8u * row] = floatBitsToUint(log_sums.y - at_logits);
  scores[8u * row + 1u] = floatBitsToUint(sums.z / sums.x - (log_sums.x - log_sums.y));
  scores[8u * row + 2u] = floatBitsToUint(log_sums.x - at_baseline);
  scores[8u * row + 3u] = best.x;
  scores[8u * row + 4u] = best.y;
}
