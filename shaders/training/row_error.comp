// Squared differences of rows; see row_error.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/row_error.h"
#include "shaders/training/row_sum.glsl"
#ifdef TEXEL
#extension GL_EXT_texture_buffer : require
layout(binding = 0) uniform samplerBuffer a;
layout(binding = 1) uniform samplerBuffer b;
#define LOAD(buffer, i) texelFetch(buffer, int(i))
#else
layout(binding = 0) readonly buffer A { vec4 a[]; };
layout(binding = 1) readonly buffer B { vec4 b[]; };
#define LOAD(buffer, i) buffer[i]
#endif
layout(binding = 2) writeonly buffer Errors { vec2 errors[]; };

void main() {
  uint row = own_row(push.groups_x);
  if (row >= push.rows) return;
  uint a_row = push.a_offset + row * push.a_stride, b_row = push.b_offset + row * push.b_stride;
  uint end = (push.columns + 3u) / 4u;
  vec4 differences = vec4(0.0), squares = vec4(0.0);
  for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP) {
    bvec4 there = lessThan(4u * c + uvec4(0u, 1u, 2u, 3u), uvec4(push.columns));
    vec4 target = mix(vec4(0.0), LOAD(b, b_row + c), there);
    vec4 difference = mix(vec4(0.0), LOAD(a, a_row + c), there) - target;
    differences += difference * difference;
    squares += target * target;
  }
  float difference = sum_of_row(sum4(differences)), square = sum_of_row(sum4(squares));
  if (FIRST_CHUNK == 0u) errors[row] = vec2(difference, square);
}
