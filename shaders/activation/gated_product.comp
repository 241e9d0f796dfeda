// SwiGLU and GeGLU of finished products; see gated_product.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/activation/gated_product.h"

layout(local_size_x = 64, local_size_x_id = 0) in;

layout(binding = 0) readonly buffer Gate { vec4 gate[]; };
layout(binding = 1) readonly buffer Up { vec4 up[]; };
layout(binding = 2) writeonly buffer Y { vec4 y[]; };

// exp only of negative numbers, so that no infinity is divided by another; where exp(-100) underflows, 0 is right.
vec4 sigmoid(vec4 z) {
  vec4 e = exp(-min(abs(z), vec4(100.0)));
  return mix(e, vec4(1.0), greaterThanEqual(z, vec4(0.0))) / (1.0 + e);
}

void main() {
  uint t = gl_WorkGroupID.y;
  uint first = gl_WorkGroupID.x * chunks_each * workgroup_size + gl_LocalInvocationID.x;
  uint end = min(push.chunks, first + chunks_each * workgroup_size);
  for (uint c = first; c < end; c += workgroup_size) {
    vec4 z = gate[push.gate_offset + t * push.gate_stride + c];
    const float sqrt_2_over_pi = 0.7978845608;
    vec4 exponent = gelu_tanh != 0u ? 2.0 * sqrt_2_over_pi * (z + 0.044715 * z * z * z) : z;
    y[push.y_offset + t * push.y_stride + c] = z * sigmoid(exponent) * up[push.up_offset + t * push.up_stride + c];
  }
}
