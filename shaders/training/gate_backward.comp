// The way back through SwiGLU and GeGLU; see gate_backward.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/gate_backward.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) buffer Gate { vec4 gate[]; };
layout(binding = 1) buffer Up { vec4 up[]; };
layout(binding = 2) readonly buffer Dy { vec4 dy[]; };

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
    uint gate_chunk = push.gate_offset + t * push.gate_stride + c, up_chunk = push.up_offset + t * push.up_stride + c;
    vec4 z = gate[gate_chunk], back = dy[push.dy_offset + t * push.dy_stride + c];
    const float twice_sqrt_2_over_pi = 2.0 * 0.7978845608;
    vec4 exponent = gelu_tanh != 0u ? twice_sqrt_2_over_pi * (z + 0.044715 * z * z * z) : z;
    vec4 slope_of_exponent = gelu_tanh != 0u ? twice_sqrt_2_over_pi * (1.0 + 3.0 * 0.044715 * z * z) : vec4(1.0);
    vec4 share = sigmoid(exponent);
    vec4 slope = share + z * share * sigmoid(-exponent) * slope_of_exponent;
    gate[gate_chunk] = back * up[up_chunk] * slope;
    up[up_chunk] = back * z * share;
  }
}
