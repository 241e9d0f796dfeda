// Element-wise sum; see add.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/activation/add.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };

void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i < push.count) y[i] = a[i] + b[i];
}
