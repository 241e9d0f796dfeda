// Attention for CPU drivers with small subgroups and no unrolling compiler; see attention_broadcast.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#extension GL_KHR_shader_subgroup_basic : enable
#extension GL_KHR_shader_subgroup_ballot : enable
#extension GL_KHR_shader_subgroup_shuffle : enable
#include "shaders/attention/attention_broadcast.h"
#include "shaders/attention/cache.glsl"

const uint kLanes = 4u;
const int kBlocks = BLOCKS;
const uint kStep = kLanes * BLOCKS;
const int kMaxRounds = 16;  // of 4 lanes times 4 elements: head_dim <= 256
const float kNoMaximum = -1e30;
const float kMasked = -3e38;
const float kLog2e = 1.4426950408889634;

layout(local_size_x = 4) in;
layout(binding = 0) readonly buffer Cache { uint cache[]; };
layout(binding = 1) readonly buffer Q { float q_rows[]; };
layout(binding = 2) readonly buffer Positions { uint positions[]; };
layout(binding = 3) writeonly buffer Out { vec4 result[]; };

float lanes_max(float v) {
  v = max(v, subgroupShuffleXor(v, 1u));
  return max(v, subgroupShuffleXor(v, 2u));
}
float lanes_sum(float v) {
  v += subgroupShuffleXor(v, 1u);
  return v + subgroupShuffleXor(v, 2u);
}
// What the 4 lanes hold.
vec4 all_lanes(float v) {
  return vec4(subgroupBroadcast(v, 0u), subgroupBroadcast(v, 1u), subgroupBroadcast(v, 2u), subgroupBroadcast(v, 3u));
}

// Elements 4n .. 4n + 3, scale left out, of the row that starts at `word`.
vec4 load_quad(uint word, uint n) {
#if CHUNK_ELEMENTS == 4
  word += 4u * n;
  return quad_levels(uvec4(cache[word], cache[word + 1u], cache[word + 2u], cache[word + 3u]));
#elif CHUNK_ELEMENTS == 8
  word += 2u * n;
  return quad_levels(uvec4(cache[word], cache[word + 1u], 0u, 0u));
#elif CHUNK_ELEMENTS == 16
  return quad_levels(uvec4(cache[word + n], 0u, 0u, 0u));
#else
  return quad_levels(uvec4(cache[word + n / 2u] >> (16u * (n & 1u)), 0u, 0u, 0u));
#endif
}

#ifdef CACHE_SCALED
// Half `at` of the halves that start at `chunk`.
float scale_at(uint chunk, uint at) {
  return half_to_float(cache[chunk * 4u + at / 2u] >> (16u * (at & 1u)));
}
#endif

void main() {
  uint lane = gl_SubgroupInvocationID;
  uint tiles = gl_NumWorkGroups.x;
  uint tile = (gl_WorkGroupID.x & 1u) == 0u ? gl_WorkGroupID.x / 2u : tiles - 1u - gl_WorkGroupID.x / 2u;
  uint head_row = gl_WorkGroupID.y / push.head_tiles;  // of this dispatch: [sequence][group]
  uint group = head_row % push.groups;
  uint first_head = gl_WorkGroupID.y % push.head_tiles * push.tile_heads;
  uint head_base = (push.first_group + group) * push.heads_per_group;
  uint token_base = push.first_token + push.first_sequence + head_row / push.groups + tile * push.tile_tokens;
  uint last_token = push.first_token + push.token_count - 1u;
  uint quads = push.head_dim / 4u;
  uint row_words = push.head_dim / uint(WORD_ELEMENTS);
  uint rounds = (quads + kLanes - 1u) / kLanes;

  float q_scale = push.soft_cap > 0.0 ? push.scale / push.soft_cap : push.scale * kLog2e;
  uint q_row[ROWS];
  [[unroll]] for (int r = 0; r < ROWS; ++r) {
    uint row = min(uint(r), push.tile_heads * push.tile_tokens - 1u);
    uint token = min(token_base + row / push.tile_heads, last_token);
    uint head = head_base + min(first_head + row % push.tile_heads, push.heads_per_group - 1u);
    q_row[r] = push.q_offset + token * push.q_stride + head * push.head_dim + lane;
  }

  uint first_position = positions[token_base];
  uint end_position = first_position + min(push.tile_tokens - 1u, last_token - token_base) + 1u;
  uint begin_position = 0u;
  if (push.window != 0u) begin_position = first_position + 1u - min(push.window, first_position + 1u);
  uint begin_step = begin_position / kStep, end_step = (end_position + kStep - 1u) / kStep;
  uint share = (end_step - begin_step + push.splits - 1u) / push.splits;
  uint step_begin = min(begin_step + gl_WorkGroupID.z * share, end_step);
  uint step_end = min(step_begin + share, end_step);

  uint group_row = (push.first_row + head_row) * push.capacity;
  float m[ROWS], total[ROWS];
  vec4 sum[ROWS * kMaxRounds];
  [[unroll]] for (int r = 0; r < ROWS; ++r) {
    m[r] = kNoMaximum;
    total[r] = 0.0;
    for (uint j = 0u; j < rounds; ++j) sum[uint(r * kMaxRounds) + j] = vec4(0.0);
  }

  for (uint step = step_begin; step < step_end; ++step) {
    // Scores of positions step * kStep + b * kLanes + lane.
    uint k_row[kBlocks];
    [[unroll]] for (int b = 0; b < kBlocks; ++b) k_row[b] = group_row + min(step * kStep + uint(b) * kLanes + lane, end_position - 1u);
    float s[ROWS][kBlocks];
    [[unroll]] for (int r = 0; r < ROWS; ++r) [[unroll]] for (int b = 0; b < kBlocks; ++b) s[r][b] = 0.0;
#ifdef CACHE_SCALED
    for (uint first_quad = 0u; first_quad < quads; first_quad += 8u) {
      float scale[kBlocks];
      [[unroll]] for (int b = 0; b < kBlocks; ++b) scale[b] = scale_at(push.k_scale_chunk, k_row[b] * (push.head_dim / 32u) + first_quad / 8u);
      for (uint n = first_quad; n < first_quad + 8u; ++n) {
#else
    {
      for (uint n = 0u; n < quads; ++n) {
#endif
        float q[ROWS];  // element 4n + lane
        [[unroll]] for (int r = 0; r < ROWS; ++r) q[r] = q_rows[q_row[r] + 4u * n];
        vec4 key[kBlocks];
        [[unroll]] for (int b = 0; b < kBlocks; ++b) {
          key[b] = load_quad(k_row[b] * row_words, n);
#ifdef CACHE_SCALED
          key[b] *= scale[b];
#endif
        }
        [[unroll]] for (int r = 0; r < ROWS; ++r) {
          vec4 query = all_lanes(q[r]);
          [[unroll]] for (int b = 0; b < kBlocks; ++b) s[r][b] += dot(key[b], query);
        }
      }
    }

    float shrink[ROWS];
    [[unroll]] for (int r = 0; r < ROWS; ++r) {
      uint query_position = first_position + uint(r) / push.tile_heads;
      float top = m[r];
      [[unroll]] for (int b = 0; b < kBlocks; ++b) {
        float score = s[r][b] * q_scale;
        if (push.soft_cap > 0.0) {
          float t = exp2(-2.0 * kLog2e * abs(score));
          score = sign(score) * (1.0 - t) / (1.0 + t) * push.soft_cap * kLog2e;
        }
        uint position = step * kStep + uint(b) * kLanes + lane;
        bool visible = position <= query_position && position < end_position;
        if (push.window != 0u) visible = visible && position + push.window > query_position;
        s[r][b] = visible ? score : kMasked;
        top = max(top, s[r][b]);
      }
      top = lanes_max(top);
      shrink[r] = exp2(m[r] - top);
      m[r] = top;
      total[r] *= shrink[r];
      [[unroll]] for (int b = 0; b < kBlocks; ++b) {
        s[r][b] = exp2(s[r][b] - top);  // from here on the weight
        total[r] += s[r][b];
      }
    }

    // Sums of quads j * kLanes + lane.
    for (uint j = 0u; j < rounds; ++j) {
      uint n = min(j * kLanes + lane, quads - 1u);
      vec4 part[ROWS];
      [[unroll]] for (int r = 0; r < ROWS; ++r) part[r] = vec4(0.0);
      [[unroll]] for (int b = 0; b < kBlocks; ++b) {
        vec4 value[4];
        [[unroll]] for (int p = 0; p < 4; ++p) {
          uint v_row = group_row + min(step * kStep + uint(b) * kLanes + uint(p), end_position - 1u);
          value[p] = load_quad(push.v_chunk * 4u + v_row * row_words, n);
#ifdef CACHE_SCALED
          value[p] *= scale_at(push.v_scale_chunk, v_row * (push.head_dim / 32u) + n / 8u);
#endif
        }
        [[unroll]] for (int r = 0; r < ROWS; ++r) {
          vec4 weight = all_lanes(s[r][b]);
          [[unroll]] for (int p = 0; p < 4; ++p) part[r] += weight[p] * value[p];
        }
      }
      [[unroll]] for (int r = 0; r < ROWS; ++r)
        sum[uint(r * kMaxRounds) + j] = sum[uint(r * kMaxRounds) + j] * shrink[r] + part[r];
    }
  }

  [[unroll]] for (int r = 0; r < ROWS; ++r) {
    float all = lanes_sum(total[r]);
    uint token = token_base + uint(r) / push.tile_heads, head = first_head + uint(r) % push.tile_heads;
    if (uint(r) < push.tile_heads * push.tile_tokens && token <= last_token && head < push.heads_per_group) {
      uint row = (push.out_offset + token * push.out_stride + (head_base + head) * push.head_dim) / 4u;
      float normalise = 1.0 / all;
      if (push.splits > 1u) {
        row = (((token - push.first_token) * push.query_heads + head_base + head) * push.splits + gl_WorkGroupID.z) * (quads + 1u);
        normalise = 1.0;
        if (lane == 0u) result[row + quads] = vec4(m[r], all, 0.0, 0.0);
      }
      for (uint j = 0u; j < rounds; ++j) {
        uint n = j * kLanes + lane;
        if (n < quads) result[row + n] = sum[uint(r * kMaxRounds) + j] * normalise;
      }
    }
  }
}
