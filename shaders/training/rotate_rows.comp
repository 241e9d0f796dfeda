// Rotary embedding of rows in place, forwards or backwards; see rotate_rows.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#include "shaders/training/rotate_rows.h"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) buffer Rows { vec4 rows[]; };
layout(binding = 1) readonly buffer Table { vec2 table[]; };

void main() {
  uint token = push.first_token + gl_WorkGroupID.y;
  uint row_chunk = push.offset + token * push.stride;
  uint turns = token % push.positions * push.planes;
  uint first = gl_WorkGroupID.x * chunks_each * workgroup_size + gl_LocalInvocationID.x;
  uint end = min(push.chunks, first + chunks_each * workgroup_size);
  for (uint c = first; c < end; c += workgroup_size) {
    uint plane = c % push.head_chunks * 2u;
    if (plane < push.planes) {
      vec2 low = table[turns + plane];
      // An odd number of planes ends within a chunk.
      vec2 high = plane + 1u < push.planes ? table[turns + plane + 1u] : vec2(1.0, 0.0);
      vec4 z = rows[row_chunk + c];
      vec4 sines = push.turn * vec4(-low.y, low.y, -high.y, high.y);
      rows[row_chunk + c] = z * vec4(low.xx, high.xx) + z.yxwz * sines;
    }
  }
}
