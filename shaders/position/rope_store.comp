// Rotary embedding of Q and K, with their norm where a model has one, and the store of K and V; see rope_store.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#ifdef ROPE_STORE_NORM
#extension GL_EXT_texture_buffer : enable
#endif
#include "shaders/position/rope_store.h"

layout(local_size_x = 8, local_size_x_id = 0) in;

layout(binding = 0) buffer Activations { float activations[]; };
layout(binding = 1) readonly buffer Table { vec2 table[]; };
layout(binding = 2) readonly buffer Positions { uint positions[]; };
layout(binding = 3) buffer Cache { uint cache[]; };
#ifdef ROPE_STORE_NORM
layout(binding = 4) uniform samplerBuffer q_gain;
layout(binding = 5) uniform samplerBuffer k_gain;
shared float partial[128];
#endif

#include "shaders/position/block_encode.glsl"

const uint blocks_per_head = (head_dim + 31u) / 32u;

void main() {
  uint token = gl_WorkGroupID.y;
  uint local_head = gl_LocalInvocationID.x / blocks_per_head;
  uint b = gl_LocalInvocationID.x % blocks_per_head;
  uint head = gl_WorkGroupID.x * heads_per_workgroup + local_head;
  uint elements = min(32u, head_dim - 32u * b);

  bool is_q = head < push.query_heads;
  bool is_k = !is_q && head < push.query_heads + push.key_heads;
  bool is_v = !is_q && !is_k && head < push.query_heads + push.key_heads + push.value_heads;
  uint group = head - push.query_heads - (is_v ? push.key_heads : 0u);
  // Invocations past the last head compute on the first elements up to the barriers and store nothing.
  uint row_at = 0u;
  if (is_q) row_at = push.q_offset + token * push.q_stride + head * head_dim;
  if (is_k) row_at = push.k_offset + token * push.k_stride + group * head_dim;
  if (is_v) row_at = push.v_offset + token * push.v_stride + group * head_dim;
  uint position = positions[token];
  bool in_cache = position < push.capacity;

  float z[32];
  [[unroll]] for (int i = 0; i < 32; ++i) {
    float value = activations[row_at + min(32u * b + uint(i), head_dim - 1u)];
    z[i] = mix(0.0, value, uint(i) < elements);
  }

  float factor = 1.0;
#ifdef ROPE_STORE_NORM
  float squares = 0.0;
  [[unroll]] for (int i = 0; i < 32; ++i) squares += z[i] * z[i];
  partial[gl_LocalInvocationID.x] = squares;
  barrier();
  float sum = 0.0;
  for (uint i = 0; i < blocks_per_head; ++i) sum += partial[local_head * blocks_per_head + i];
  factor = 1.0 / sqrt(sum / float(head_dim) + push.epsilon);
  [[unroll]] for (int c = 0; c < 8; ++c) {
    int texel = int(min(8u * b + uint(c), head_dim / 4u - 1u));
    vec4 gain = texelFetch(q_gain, texel);
    if (!is_q) gain = texelFetch(k_gain, texel);
    [[unroll]] for (int e = 0; e < 4; ++e) {
      z[4 * c + e] = mix(z[4 * c + e] * factor * gain[e], z[4 * c + e], is_v);
    }
  }
#endif

  uint table_row = in_cache ? position * push.planes : 0u;
  uint last_plane = max(push.planes, 1u) - 1u;
  if (half_split == 0u) {
    if (!is_v) {
      [[unroll]] for (int j = 0; j < 16; ++j) {
        uint plane = 16u * b + uint(j);
        vec2 turn = mix(vec2(1.0, 0.0), table[table_row + min(plane, last_plane)], bvec2(plane < push.planes));
        vec2 pair = vec2(z[2 * j], z[2 * j + 1]);
        z[2 * j] = pair.x * turn.x - pair.y * turn.y;
        z[2 * j + 1] = pair.x * turn.y + pair.y * turn.x;
      }
    }
  } else {
    if (!is_v) {
      [[unroll]] for (int i = 0; i < 32; ++i) {
        uint element = 32u * b + uint(i);
        bool second = element >= push.planes;
        uint plane = second ? element - push.planes : element;
        uint partner = min(second ? plane : element + push.planes, head_dim - 1u);
        float other = activations[row_at + partner];
#ifdef ROPE_STORE_NORM
        int texel = int(partner / 4u);
        vec4 gains = texelFetch(q_gain, texel);
        if (!is_q) gains = texelFetch(k_gain, texel);
        vec2 gain_pair = (partner & 2u) != 0u ? gains.zw : gains.xy;
        other *= factor * ((partner & 1u) != 0u ? gain_pair.y : gain_pair.x);
#endif
        vec2 turn = table[table_row + min(plane, last_plane)];
        float turned = z[i] * turn.x + (second ? other : -other) * turn.y;
        z[i] = mix(z[i], turned, element < 2u * push.planes);
      }
    }
    // A partner may lie in a block that another invocation is about to overwrite.
    memoryBarrierBuffer();
    barrier();
  }

  if (is_q) {
    [[unroll]] for (int i = 0; i < 32; ++i) {
      if (uint(i) < elements) activations[row_at + 32u * b + uint(i)] = z[i];
    }
  }
  if ((is_k || is_v) && in_cache) {
    uint row = group * push.capacity + position;
    store_block(z, b, elements, is_v ? push.v_at : 0u, row, push.row_words, is_v ? push.v_scales_at : push.k_scales_at,
                push.scales_per_row);
  }
}
