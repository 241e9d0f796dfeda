// Attention with the lanes of a workgroup cooperating through shared memory, and subgroup arithmetic where REDUCE_SUBGROUP says so; see
// attention_shared.h. Compiled for ROWS rows at most; tile_heads * tile_tokens of them are used.
// Scores: a lane owns a position of the step and walks its K row against q in shared memory.
// Sums: a lane owns 4 elements of every V row of its share of the positions; the shares are added up at the end.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#ifdef REDUCE_SUBGROUP
#extension GL_KHR_shader_subgroup_basic : enable
#extension GL_KHR_shader_subgroup_arithmetic : enable
#endif
#include "shaders/attention/attention_shared.h"
#include "shaders/attention/cache.glsl"

layout(local_size_x = 64, local_size_x_id = 0) in;
layout(binding = 0) readonly buffer Cache { uvec4 cache[]; };
layout(binding = 1) readonly buffer Q { vec4 q_rows[]; };
layout(binding = 2) readonly buffer Positions { uint positions[]; };
layout(binding = 3) writeonly buffer Out { vec4 result[]; };

const int kMaxQuads = 64;      // head_dim <= 256
const uint kParts = 8u;        // partial reductions per row without subgroups
const uint kMaxParts = 32u;    // with subgroups of at least 2 invocations
const int kUnrolled = 4;       // positions per trip: drivers may limit the trips of an invocation
const float kNoMaximum = -1e30;
const float kMasked = -3e38;
const float kLog2e = 1.4426950408889634;

shared vec4 q[ROWS * kMaxQuads];
shared float weights[2 * ROWS * workgroup_size];  // two steps' worth, so that a step may begin while others still read the last one's
shared float parts[ROWS * kMaxParts];
shared vec4 folded[workgroup_size];

// Half `at` of the halves that start at `chunk`.
float scale_at(uint chunk, uint at) {
  return half_to_float(cache[chunk + at / 8u][(at >> 1) & 3u] >> (16u * (at & 1u)));
}

// The words of quad n of the V row that starts at `chunk`.
uvec4 load_quad(uint chunk, uint n) {
#if CHUNK_ELEMENTS == 4
  return cache[chunk + n];
#elif CHUNK_ELEMENTS == 8
  uint word = 2u * (n & 1u);
  return uvec4(cache[chunk + n / 2u][word], cache[chunk + n / 2u][word + 1u], 0u, 0u);
#elif CHUNK_ELEMENTS == 16
  return uvec4(cache[chunk + n / 4u][n & 3u], 0u, 0u, 0u);
#else
  return uvec4(cache[chunk + n / 8u][(n >> 1) & 3u] >> (16u * (n & 1u)), 0u, 0u, 0u);
#endif
}

void main() {
  uint lane = gl_LocalInvocationIndex;
  uint tiles = gl_NumWorkGroups.x;
  uint tile = (gl_WorkGroupID.x & 1u) == 0u ? gl_WorkGroupID.x / 2u : tiles - 1u - gl_WorkGroupID.x / 2u;
  uint head_row = gl_WorkGroupID.y / push.head_tiles;  // of this dispatch: [sequence][group]
  uint group = head_row % push.groups;
  uint first_head = gl_WorkGroupID.y % push.head_tiles * push.tile_heads;
  uint head_base = (push.first_group + group) * push.heads_per_group;
  uint token_base = push.first_token + push.first_sequence + head_row / push.groups + tile * push.tile_tokens;
  uint last_token = push.first_token + push.token_count - 1u;
  uint quads = push.head_dim / 4u;
  uint row_chunks = push.head_dim / uint(CHUNK_ELEMENTS);
  uint row_scales = push.head_dim / 32u;

  float q_scale = push.soft_cap > 0.0 ? push.scale / push.soft_cap : push.scale * kLog2e;
  for (uint i = lane; i < uint(ROWS) * quads; i += workgroup_size) {
    uint r = min(i / quads, push.tile_heads * push.tile_tokens - 1u), quad = i % quads;
    uint token = min(token_base + r / push.tile_heads, last_token);
    uint head = head_base + min(first_head + r % push.tile_heads, push.heads_per_group - 1u);
    q[i / quads * uint(kMaxQuads) + quad] = q_rows[(push.q_offset + token * push.q_stride + head * push.head_dim) / 4u + quad] * q_scale;
  }
  barrier();

  uint first_position = positions[token_base];
  uint end_position = first_position + min(push.tile_tokens - 1u, last_token - token_base) + 1u;
  uint begin_position = 0u;
  if (push.window != 0u) begin_position = first_position + 1u - min(push.window, first_position + 1u);
  uint begin_step = begin_position / workgroup_size, end_step = (end_position + workgroup_size - 1u) / workgroup_size;
  uint share = (end_step - begin_step + push.splits - 1u) / push.splits;
  uint step_begin = min(begin_step + gl_WorkGroupID.z * share, end_step);
  uint step_end = min(step_begin + share, end_step);

  uint group_row = (push.first_row + head_row) * push.capacity;
  // This lane's part of the sums: quad `own_quad` over positions own_share, own_share + shares, ... of each step.
  uint shares = max(workgroup_size / quads, 1u);
  uint own_quad = lane % quads, own_share = lane / quads;
  float m[ROWS], total[ROWS];
  vec4 sum[ROWS];
  [[unroll]] for (int r = 0; r < ROWS; ++r) {
    m[r] = kNoMaximum;
    total[r] = 0.0;
    sum[r] = vec4(0.0);
  }

  for (uint step = step_begin; step < step_end; ++step) {
    uint position = step * workgroup_size + lane;
    uint k_row = group_row + min(position, end_position - 1u);
    uint weights_base = (step & 1u) * uint(ROWS) * workgroup_size;

    float s[ROWS];
    [[unroll]] for (int r = 0; r < ROWS; ++r) s[r] = 0.0;
    for (uint c = 0u; c < row_chunks; ++c) {
      uvec4 chunk = cache[k_row * row_chunks + c];
      float chunk_score[ROWS];
      [[unroll]] for (int r = 0; r < ROWS; ++r) chunk_score[r] = 0.0;
      [[unroll]] for (int n = 0; n < CHUNK_ELEMENTS / 4; ++n) {
        vec4 key = quad_levels(quad_words(chunk, n));
        [[unroll]] for (int r = 0; r < ROWS; ++r)
          chunk_score[r] += dot(key, q[uint(r * kMaxQuads) + c * uint(CHUNK_ELEMENTS / 4) + uint(n)]);
      }
#ifdef CACHE_SCALED
      float scale = scale_at(push.k_scale_chunk, k_row * row_scales + c * uint(CHUNK_ELEMENTS) / 32u);
      [[unroll]] for (int r = 0; r < ROWS; ++r) s[r] += scale * chunk_score[r];
#else
      [[unroll]] for (int r = 0; r < ROWS; ++r) s[r] += chunk_score[r];
#endif
    }
    [[unroll]] for (int r = 0; r < ROWS; ++r) {
      if (push.soft_cap > 0.0) {
        float t = exp2(-2.0 * kLog2e * abs(s[r]));
        s[r] = sign(s[r]) * (1.0 - t) / (1.0 + t) * push.soft_cap * kLog2e;
      }
      uint query_position = first_position + uint(r) / push.tile_heads;
      bool visible = position <= query_position && position < end_position;
      if (push.window != 0u) visible = visible && position + push.window > query_position;
      s[r] = visible ? s[r] : kMasked;
    }

    // The step's maximum of every row, known to all lanes.
#ifdef REDUCE_SUBGROUP
    uint part_count = gl_NumSubgroups;
    [[unroll]] for (int r = 0; r < ROWS; ++r) {
      float top = subgroupMax(s[r]);
      if (subgroupElect()) parts[uint(r) * kMaxParts + gl_SubgroupID] = top;
    }
#else
    uint part_count = kParts;
    [[unroll]] for (int r = 0; r < ROWS; ++r) weights[weights_base + uint(r) * workgroup_size + lane] = s[r];
    barrier();
    if (lane < uint(ROWS) * kParts) {
      uint r = lane / kParts, width = workgroup_size / kParts, from = weights_base + r * workgroup_size + lane % kParts * width;
      float top = kMasked;
      for (uint i = 0u; i < width; ++i) top = max(top, weights[from + i]);
      parts[r * kMaxParts + lane % kParts] = top;
    }
#endif
    barrier();
    [[unroll]] for (int r = 0; r < ROWS; ++r) {
      float top = m[r];
      for (uint i = 0u; i < part_count; ++i) top = max(top, parts[uint(r) * kMaxParts + i]);
      float shrink = exp2(m[r] - top);
      m[r] = top;
      float weight = exp2(s[r] - top);
      total[r] = total[r] * shrink + weight;
      sum[r] *= shrink;
      weights[weights_base + uint(r) * workgroup_size + lane] = weight;
    }
    barrier();

    uint count = min(workgroup_size, end_position - step * workgroup_size);
    if (own_share < shares) {
      for (uint p = own_share; p < count; p += shares * uint(kUnrolled)) {
        [[unroll]] for (int k = 0; k < kUnrolled; ++k) {
          // Past the end: the last position again, with weight 0.
          uint at = p + uint(k) * shares;
          uint v_row = group_row + step * workgroup_size + min(at, count - 1u);
          vec4 value = quad_levels(load_quad(push.v_chunk + v_row * row_chunks, own_quad));
          float scale = at < count ? 1.0 : 0.0;
#ifdef CACHE_SCALED
          scale *= scale_at(push.v_scale_chunk, v_row * row_scales + own_quad / 8u);
#endif
          [[unroll]] for (int r = 0; r < ROWS; ++r)
            sum[r] += weights[weights_base + uint(r) * workgroup_size + min(at, count - 1u)] * scale * value;
        }
      }
    }
  }

  // Add up the lanes' totals and the shares of the sums.
#ifdef REDUCE_SUBGROUP
  uint part_count = gl_NumSubgroups;
  barrier();
  [[unroll]] for (int r = 0; r < ROWS; ++r) {
    float part = subgroupAdd(total[r]);
    if (subgroupElect()) parts[uint(r) * kMaxParts + gl_SubgroupID] = part;
  }
#else
  uint part_count = kParts;
  barrier();
  [[unroll]] for (int r = 0; r < ROWS; ++r) weights[uint(r) * workgroup_size + lane] = total[r];
  barrier();
  if (lane < uint(ROWS) * kParts) {
    uint r = lane / kParts, width = workgroup_size / kParts, from = r * workgroup_size + lane % kParts * width;
    float part = 0.0;
    for (uint i = 0u; i < width; ++i) part += weights[from + i];
    parts[r * kMaxParts + lane % kParts] = part;
  }
#endif
  [[unroll]] for (int r = 0; r < ROWS; ++r) {
    folded[lane] = sum[r];
    barrier();
    uint token = token_base + uint(r) / push.tile_heads, head = first_head + uint(r) % push.tile_heads;
    if (uint(r) < push.tile_heads * push.tile_tokens && token <= last_token && head < push.heads_per_group && lane < quads) {
      float all = 0.0;
      for (uint i = 0u; i < part_count; ++i) all += parts[uint(r) * kMaxParts + i];
      vec4 value = vec4(0.0);
      for (uint i = 0u; i < shares; ++i) value += folded[i * quads + lane];
      if (push.splits == 1u) {
        result[(push.out_offset + token * push.out_stride + (head_base + head) * push.head_dim) / 4u + lane] = value / all;
      } else {
        uint row = (((token - push.first_token) * push.query_heads + head_base + head) * push.splits + gl_WorkGroupID.z) * (quads + 1u);
        result[row + lane] = value;
        if (lane == 0u) result[row + quads] = vec4(m[r], all, 0.0, 0.0);
      }
    }
    barrier();
  }
}
