// The end of the product that makes queries, keys and values: bias, rotation, cache; see linear.h. Rounds as shaders/position/rope_store.comp does.
#ifndef REGROUP_LINEAR_ROPE_STORE_GLSL
#define REGROUP_LINEAR_ROPE_STORE_GLSL

layout(binding = 5) buffer CacheQuads { uvec4 cache_quads[]; };
layout(binding = 5) buffer CachePairs { uvec2 cache_pairs[]; };
layout(binding = 6) uniform samplerBuffer table;
layout(binding = 7) readonly buffer Positions { uint positions[]; };

// Four neighbouring rows are four neighbouring elements of one head: two planes.
void rotate_and_store_quad(uint row, vec4 sums) {
  uint index = push.first_row + row;
  if ((flags & LINEAR_BIAS) != 0u) sums += bias_quads[min(index, push.first_row + push.rows - 4u) / 4u];
  uint column = push.column + index;
  bool is_query = column < push.query_columns;
  bool is_value = column >= push.query_columns + push.key_columns;
  uint element = column % head_dim;
  uint position = positions[0];
  bool in_cache = position < push.capacity;

  uint plane = element / 2u;
  bool turns = !is_value && plane < push.planes;
  uint table_row = in_cache ? position * push.planes : 0u;
  vec4 turn = texelFetch(table, int(turns ? (table_row + plane) / 2u : 0u));
  turn = mix(vec4(1.0, 0.0, 1.0, 0.0), turn, bvec4(turns));
  vec4 z = sums * turn.xxzz + sums.yxwz * vec4(-turn.y, turn.y, -turn.w, turn.w);

  if (row >= push.rows) return;
  y_quads[(push.y_offset + index) / 4u] = mix(sums, z, bvec4(is_query));
  if (!is_query && in_cache) {
    uint head = (column - push.query_columns - (is_value ? push.key_columns : 0u)) / head_dim;
    uint at = (push.first_head + head) * push.capacity + position;
    uint region = is_value ? push.v_at : 0u;
    if ((flags & LINEAR_CACHE_F16) != 0u) {
      cache_pairs[region / 2u + at * (head_dim / 4u) + element / 4u] = uvec2(packHalf2x16(z.xy), packHalf2x16(z.zw));
    } else {
      cache_quads[region / 4u + at * (head_dim / 4u) + element / 4u] = floatBitsToUint(z);
    }
  }
}

#endif
