// The way back through a root-mean-square norm; see norm_backward.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/norm_backward.h"
#include "shaders/training/row_sum.glsl"
#ifdef TEXEL
#extension GL_EXT_texture_buffer : require
layout(binding = 0) uniform samplerBuffer x;
layout(binding = 1) uniform samplerBuffer dy;
layout(binding = 2) uniform samplerBuffer gain;
#define LOAD(buffer, i) texelFetch(buffer, int(i))
#else
layout(binding = 0) readonly buffer X { vec4 x[]; };
layout(binding = 1) readonly buffer Dy { vec4 dy[]; };
layout(binding = 2) readonly buffer Gain { vec4 gain[]; };
#define LOAD(buffer, i) buffer[i]
#endif
layout(binding = 3) buffer Dx { vec4 dx[]; };

// Chunk c of a row without what lies past its columns.
vec4 in_row(vec4 chunk, uint c) {
  return mix(vec4(0.0), chunk, lessThan(4u * c + uvec4(0u, 1u, 2u, 3u), uvec4(push.columns)));
}

void main() {
  uint row = own_row(push.groups_x);
  if (row >= push.rows) return;
  uint x_row = push.x_offset + row * push.x_stride, dy_row = push.dy_offset + row * push.dy_stride;
  uint dx_row = push.dx_offset + row * push.dx_stride;
  uint end = (push.columns + 3u) / 4u;
  vec4 squares = vec4(0.0), products = vec4(0.0);
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    vec4 value = in_row(LOAD(x, x_row + c), c);
    squares += value * value;
    products += in_row(LOAD(dy, dy_row + c) * LOAD(gain, c), c) * value;
  }
  float mean_square = sum_of_row(sum4(squares)) / float(push.columns);
  float r = 1.0 / sqrt(mean_square + push.epsilon);
  float along = sum_of_row(sum4(products)) * r * r * r / float(push.columns);
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    dx[dx_row + c] += in_row(LOAD(dy, dy_row + c) * LOAD(gain, c) * r - LOAD(x, x_row + c) * along, c);
  }
}
