// Soft-cap of rows of logits; see soft_cap.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/sampling/soft_cap.h"
#include "shaders/sampling/not_numbers.glsl"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 1) buffer Y { vec4 y[]; };
#ifdef SAMPLING_TEXEL
#extension GL_EXT_texture_buffer : enable
layout(binding = 0) uniform samplerBuffer x;
#define LOAD(i) texelFetch(x, int(i))
#else
#define LOAD(i) y[i]
#endif

// Not the built-in: its precision is the driver's choice, and some overflow for large arguments.
vec4 hyperbolic_tangent(vec4 x) {
  vec4 magnitude = min(abs(x), vec4(10.0));  // 1 in float from 9.1 on
  vec4 falling = exp(-2.0 * magnitude);
  vec4 square = x * x;
  // Near zero the quotient would lose digits: the series up to x^9, good to 1e-7 below 0.3.
  vec4 series = magnitude * (1.0 + square * (-1.0 / 3.0 + square * (2.0 / 15.0 + square * (-17.0 / 315.0 + square * (62.0 / 2835.0)))));
  vec4 quotient = (1.0 - falling) / (1.0 + falling);
  vec4 result = mix(quotient, series, lessThan(magnitude, vec4(0.3))) * sign(x);
  return mix(result, x, not_numbers(x));  // the choice of the next token reports it
}

void main() {
  uint row = push.offset + gl_WorkGroupID.y * push.stride;
  for (uint i = gl_GlobalInvocationID.x; i < push.chunks; i += gl_NumWorkGroups.x * workgroup_size) {
    y[row + i] = push.cap * hyperbolic_tangent(LOAD(row + i) * push.reciprocal);
  }
}
