// Rotary embedding of Q and K, with their norm where a model has one, and the store of K and V; see rope_store.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#ifdef ROPE_STORE_NORM
#extension GL_EXT_texture_buffer : enable
#endif
#include "shaders/position/cache_word.glsl"
#include "shaders/position/rope_store.h"

layout(local_size_x = 8, local_size_x_id = 0) in;

layout(binding = 0) buffer Activations { vec4 activations[]; };
layout(binding = 1) readonly buffer Table { vec2 table[]; };
layout(binding = 2) readonly buffer Positions { uint positions[]; };
layout(binding = 3) buffer Cache { CACHE_WORD cache[]; };
#ifdef ROPE_STORE_NORM
layout(binding = 4) uniform samplerBuffer q_gain;
layout(binding = 5) uniform samplerBuffer k_gain;
shared float partial[64];
#endif
#ifdef ROPE_STORE_HALF_SPLIT
shared float heads[64 * 32];
#endif

#include "shaders/position/block_encode.glsl"

const uint blocks_per_head = (head_dim + 31u) / 32u;
const uint chunks_per_head = head_dim / 4u;

void main() {
  uint token = push.first_token + gl_WorkGroupID.y;
  uint lane = gl_LocalInvocationID.x;
  uint b = lane % blocks_per_head;
  uint head = gl_WorkGroupID.x * heads_per_workgroup + lane / blocks_per_head;
  uint chunks = head_dim % 32u == 0u ? 8u : min(8u, chunks_per_head - 8u * b);

  bool is_q = head < push.query_heads;
  bool is_k = !is_q && head < push.query_heads + push.key_heads;
  bool is_v = !is_q && !is_k && head < push.query_heads + push.key_heads + push.value_heads;
  uint group = head - push.query_heads - (is_v ? push.key_heads : 0u);
  // Invocations past the last head compute on the first elements up to the barriers and store nothing.
  uint row_at = 8u * b;
  if (is_q) row_at += push.q_offset + token * push.q_stride + head * chunks_per_head;
  if (is_k) row_at += push.k_offset + token * push.k_stride + group * chunks_per_head;
  if (is_v) row_at += push.v_offset + token * push.v_stride + group * chunks_per_head;
  uint position = positions[token];
  bool in_cache = position < push.capacity;

  vec4 z[8];
  [[unroll]] for (int c = 0; c < 8; ++c) {
    z[c] = mix(vec4(0.0), activations[row_at + min(uint(c), chunks - 1u)], bvec4(uint(c) < chunks));
  }

#ifdef ROPE_STORE_NORM
  vec4 squares = vec4(0.0);
  [[unroll]] for (int c = 0; c < 8; ++c) squares += z[c] * z[c];
  partial[lane] = squares.x + squares.y + squares.z + squares.w;
  barrier();
  float sum = 0.0;
  for (uint i = 0u; i < blocks_per_head; ++i) sum += partial[lane - b + i];
  float factor = 1.0 / sqrt(sum / float(head_dim) + push.epsilon);
  [[unroll]] for (int c = 0; c < 8; ++c) {
    int texel = int(8u * b + min(uint(c), chunks - 1u));
    vec4 gain = mix(texelFetch(k_gain, texel), texelFetch(q_gain, texel), bvec4(is_q));
    z[c] = mix(z[c] * factor * gain, z[c], bvec4(is_v));
  }
#endif

  uint table_row = in_cache ? position * push.planes : 0u;
  uint last_plane = max(push.planes, 1u) - 1u;
#ifdef ROPE_STORE_HALF_SPLIT
  [[unroll]] for (int c = 0; c < 8; ++c) {
    [[unroll]] for (int e = 0; e < 4; ++e) heads[32u * lane + uint(4 * c + e)] = z[c][e];
  }
  barrier();
  uint own_head = 32u * (lane - b);
  [[unroll]] for (int c = 0; c < 8; ++c) {
    uvec4 element = 32u * b + uvec4(4 * c, 4 * c + 1, 4 * c + 2, 4 * c + 3);
    bvec4 second = greaterThanEqual(element, uvec4(push.planes));
    uvec4 plane = min(mix(element, element - push.planes, second), uvec4(last_plane));
    uvec4 partner = mix(element + push.planes, plane, second);
    // Elements behind the planes look at themselves.
    partner = own_head + mix(element, partner, lessThan(element, uvec4(2u * push.planes)));
    vec4 other = vec4(heads[partner.x], heads[partner.y], heads[partner.z], heads[partner.w]);
    vec4 cosines, sines;
    [[unroll]] for (int e = 0; e < 4; ++e) {
      vec2 turn = table[table_row + plane[e]];
      cosines[e] = turn.x;
      sines[e] = turn.y;
    }
    vec4 turned = z[c] * cosines + mix(-other, other, second) * sines;
    bvec4 turns = lessThan(element, uvec4(is_v ? 0u : 2u * push.planes));
    z[c] = mix(z[c], turned, turns);
  }
#else
  if (!is_v) {
    [[unroll]] for (int c = 0; c < 8; ++c) {
      uint plane = 16u * b + uint(2 * c);
      vec2 first = mix(vec2(1.0, 0.0), table[table_row + min(plane, last_plane)], bvec2(plane < push.planes));
      vec2 second = mix(vec2(1.0, 0.0), table[table_row + min(plane + 1u, last_plane)], bvec2(plane + 1u < push.planes));
      vec4 cosines = vec4(first.xx, second.xx);
      vec4 sines = vec4(-first.y, first.y, -second.y, second.y);
      z[c] = z[c] * cosines + z[c].yxwz * sines;
    }
  }
#endif

  if (is_q) {
    [[unroll]] for (int c = 0; c < 8; ++c) {
      if (uint(c) < chunks) activations[row_at + uint(c)] = z[c];
    }
  }
  if ((is_k || is_v) && in_cache) {
    store_block(z, b, chunks, is_v ? push.v_at : 0u, is_v ? push.v_scales_at : push.k_scales_at, (push.first_row + gl_WorkGroupID.y * push.token_rows + group) * push.capacity + position, head_dim);
  }
}
