// Root-mean-square normalisation of rows; see rms_norm.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#ifdef RMS_NORM_TEXEL
#extension GL_EXT_texture_buffer : enable
#endif
#ifdef RMS_NORM_SUBGROUP
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif
#include "shaders/norm/rms_norm.h"

layout(local_size_x = 64, local_size_x_id = 0) in;

#ifdef RMS_NORM_TEXEL
layout(binding = 0) uniform samplerBuffer x;
layout(binding = 1) uniform samplerBuffer gain;
#define LOAD(buffer, i) texelFetch(buffer, int(i))
#else
layout(binding = 0) readonly buffer X { vec4 x[]; };
layout(binding = 1) readonly buffer Gain { vec4 gain[]; };
#define LOAD(buffer, i) buffer[i]
#endif
layout(binding = 2) buffer Y { vec4 y[]; };

shared float partial[128];

float sum_over_workgroup(float value) {
#ifdef RMS_NORM_SUBGROUP
  value = subgroupAdd(value);
  uint part = gl_SubgroupID;
  uint parts = gl_NumSubgroups;
#else
  uint part = gl_LocalInvocationID.x;
  uint parts = workgroup_size;
#endif
  partial[part] = value;
  barrier();
  float sum = 0.0;
  for (uint i = 0; i < parts; ++i) sum += partial[i];
  return sum;
}

// Chunk c of a row without what lies past its columns.
vec4 in_row(vec4 chunk, uint c) {
  return mix(vec4(0.0), chunk, lessThan(uvec4(4u * c) + uvec4(0, 1, 2, 3), uvec4(push.columns)));
}

void main() {
  uint x_row = push.x_offset + gl_WorkGroupID.x * push.x_stride;
  uint y_row = push.y_offset + gl_WorkGroupID.x * push.y_stride;
  uint chunks = (push.columns + 3u) / 4u;

  vec4 squares = vec4(0.0);
  for (uint c = gl_LocalInvocationID.x; c < chunks; c += workgroup_size) {
    vec4 value = in_row(LOAD(x, x_row + c), c);
    squares += value * value;
  }
  float sum = sum_over_workgroup(squares.x + squares.y + squares.z + squares.w);
  float factor = 1.0 / sqrt(sum / float(push.columns) + push.epsilon);

  for (uint c = gl_LocalInvocationID.x; c < chunks; c += workgroup_size) {
    vec4 value = LOAD(x, x_row + c) * factor * LOAD(gain, c);
    if (accumulate != 0u) value += y[y_row + c];
    y[y_row + c] = in_row(value, c);
  }
}
