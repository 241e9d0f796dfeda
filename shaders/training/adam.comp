// One step of Adam; see adam.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/adam.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) buffer Weights { vec4 weights[]; };
layout(binding = 1) readonly buffer Gradient { vec4 gradient[]; };
layout(binding = 2) buffer First { vec4 first[]; };
layout(binding = 3) buffer Second { vec4 second[]; };

void main() {
  uint group = gl_WorkGroupID.x + gl_WorkGroupID.y * push.groups_x;
  uint start = group * chunks_each * workgroup_size + gl_LocalInvocationID.x;
  uint end = min(push.chunks, start + chunks_each * workgroup_size);
  for (uint c = start; c < end; c += workgroup_size) {
    vec4 g = gradient[c];
    vec4 m = push.beta1 * first[c] + (1.0 - push.beta1) * g;
    vec4 v = push.beta2 * second[c] + (1.0 - push.beta2) * g * g;
    first[c] = m;
    second[c] = v;
    weights[c] -= push.rate * m / (sqrt(v * push.scale2) + push.epsilon);
  }
}
