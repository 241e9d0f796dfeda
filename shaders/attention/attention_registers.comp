// Attention for CPU drivers: a workgroup is one subgroup, everything lives in registers, nothing is shared and nobody waits; see attention_registers.h.
// Scores: a lane owns a position of the tile and walks its K row, q comes from the lane that holds it.
// Sums: a lane owns the same elements of every V row, a position's weight comes from the lane that owns the position.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#extension GL_KHR_shader_subgroup_basic : enable
#extension GL_KHR_shader_subgroup_shuffle : enable
#extension GL_EXT_texture_buffer : enable
#include "shaders/attention/attention_registers.h"
#include "shaders/attention/cache.glsl"

layout(local_size_x = LANES) in;
layout(binding = 0) uniform usamplerBuffer cache;
layout(binding = 1) uniform samplerBuffer q_rows;
#define LOAD_CACHE(i) texelFetch(cache, int(i))
#define LOAD_Q(i) texelFetch(q_rows, int(i))
#define FROM_LANE(x, lane) subgroupShuffle(x, lane)
layout(binding = 2) readonly buffer Positions { uint positions[]; };
layout(binding = 3) writeonly buffer Out { vec4 result[]; };

// Arrays take their sizes from specialisation constants; loops over them are unrolled by the driver, so that every index is a constant.
const int kRows = tile_heads * tile_tokens;
const int kQuads = (head_dim / 4 + LANES - 1) / LANES;  // 4 elements of q each, per lane
const int kRowChunks = head_dim / CHUNK_ELEMENTS;
// A unit is the run of elements that a lane owns of a V row, one per round; large units mean fewer loads, but all lanes should have one.
#if CHUNK_ELEMENTS == 4
const int kUnit = 4;
#else
const int kUnit8 = head_dim % (LANES * 8) == 0 ? 8 : 4;
#if CHUNK_ELEMENTS == 8
const int kUnit = kUnit8;
#else
const int kUnit16 = head_dim % (LANES * 16) == 0 ? 16 : kUnit8;
#if CHUNK_ELEMENTS == 16
const int kUnit = kUnit16;
#else
const int kUnit = head_dim % (LANES * 32) == 0 ? 32 : kUnit16;
#endif
#endif
#endif
const int kRounds = (head_dim / kUnit + LANES - 1) / LANES;
const int kOwn = kRounds * kUnit;
const int kUnitsPerChunk = CHUNK_ELEMENTS / kUnit;
#ifdef CACHE_SCALED
const int kBlocks = head_dim / 32;
const int kBlockChunks = 32 / CHUNK_ELEMENTS;
// Blocks that the units of one round touch.
const int kRoundBlocks = LANES * kUnit > 32 ? LANES * kUnit / 32 : 1;
#endif

// Finite stand-ins for minus infinity: a masked score lies so far below any maximum that its weight is exactly 0.
const float kNoMaximum = -1e30;
const float kMasked = -3e38;
const float kLog2e = 1.4426950408889634;
// Weights may grow to 2^8 before the running maximum is renewed: the sums stay exact enough and most tiles need no rescaling.
const float kSlack = 8.0;

// Written out: a loop that a driver leaves standing keeps every loop around it from being unrolled.
#if LANES == 16
// Beyond 8 lanes lavapipe has no fast shuffle but that of a constant lane: OP over lanes `first` .. `first` + 7.
#define OVER_EIGHT(OP, v, first)                                                                                                           \
  OP(OP(OP(FROM_LANE(v, first), FROM_LANE(v, first + 1u)), OP(FROM_LANE(v, first + 2u), FROM_LANE(v, first + 3u))),                        \
     OP(OP(FROM_LANE(v, first + 4u), FROM_LANE(v, first + 5u)), OP(FROM_LANE(v, first + 6u), FROM_LANE(v, first + 7u))))
float add(float a, float b) { return a + b; }
float lanes_max(float v) { return max(OVER_EIGHT(max, v, 0u), OVER_EIGHT(max, v, 8u)); }
float lanes_sum(float v) { return OVER_EIGHT(add, v, 0u) + OVER_EIGHT(add, v, 8u); }
#else
float lanes_max(float v) {
  v = max(v, subgroupShuffle(v, gl_SubgroupInvocationID ^ 1u));
  v = max(v, subgroupShuffle(v, gl_SubgroupInvocationID ^ 2u));
  v = max(v, subgroupShuffle(v, gl_SubgroupInvocationID ^ 4u));
  return v;
}
float lanes_sum(float v) {
  v += subgroupShuffle(v, gl_SubgroupInvocationID ^ 1u);
  v += subgroupShuffle(v, gl_SubgroupInvocationID ^ 2u);
  v += subgroupShuffle(v, gl_SubgroupInvocationID ^ 4u);
  return v;
}
#endif

#ifdef CACHE_SCALED
// Scale of block b of the row whose scales start at half `first` of the region at `chunk`.
float scale_of(uint chunk, uint first, int b) {
  uint at = first + uint(b);
  uvec4 halves = LOAD_CACHE(chunk + at / 8u);
  return half_to_float(chunk_word(halves, (at >> 1) & 3u) >> (16u * (at & 1u)));
}
#endif

#define Q_ELEMENT(r, d) FROM_LANE(q[r][(d) / 4 / LANES][(d)&3], uint((d) / 4 % LANES))

void main() {
  uint lane = gl_SubgroupInvocationID;
  uint tiles = gl_NumWorkGroups.x;
  uint tile = (gl_WorkGroupID.x & 1u) == 0u ? gl_WorkGroupID.x / 2u : tiles - 1u - gl_WorkGroupID.x / 2u;
  uint head_row = gl_WorkGroupID.y / push.head_tiles;  // of this dispatch: [sequence][group]
  uint group = head_row % push.groups;
  uint first_head = gl_WorkGroupID.y % push.head_tiles * uint(tile_heads);  // within the group
  uint head_base = (push.first_group + group) * push.heads_per_group;
  uint token_base = push.first_token + push.first_sequence + head_row / push.groups + tile * uint(tile_tokens);
  uint last_token = push.first_token + push.token_count - 1u;
  uint quads = uint(head_dim) / 4u;

  // q, scaled so that scores come out in base 2 (or, capped, in units of the cap).
  float q_scale = capped != 0u ? push.scale / push.soft_cap : push.scale * kLog2e;
  vec4 q[kRows][kQuads];
#ifdef RAW_ZERO
  float zero[kRows][kBlocks];  // what the raw numbers' offset adds to a block's score
#endif
  [[unroll]] for (int r = 0; r < kRows; ++r) {
    uint token = min(token_base + uint(r / tile_heads), last_token);
    uint head = head_base + min(first_head + uint(r % tile_heads), push.heads_per_group - 1u);
    uint row = (push.q_offset + token * push.q_stride + head * uint(head_dim)) / 4u;
    [[unroll]] for (int j = 0; j < kQuads; ++j) {
      uint quad = min(uint(j * LANES) + lane, quads - 1u);
      vec4 value = LOAD_Q(row + quad) * q_scale;
#ifdef RAW_ZERO
      float of_quad = value.x + value.y + value.z + value.w;
#if LANES == 16
      // Round j is blocks 2j and 2j + 1 of 32 elements, of which the second may not exist.
      zero[r][2 * j] = -RAW_ZERO * OVER_EIGHT(add, of_quad, 0u);
      if (2 * j + 1 < kBlocks) zero[r][min(2 * j + 1, kBlocks - 1)] = -RAW_ZERO * OVER_EIGHT(add, of_quad, 8u);
#else
      // With 8 lanes, round j is block j of 32 elements.
      zero[r][j] = -RAW_ZERO * lanes_sum(of_quad);
#endif
#endif
      uint e = quad * 4u;
      q[r][j] = value * vec4(raw_factor(e % 8u), raw_factor((e + 1u) % 8u), raw_factor((e + 2u) % 8u), raw_factor((e + 3u) % 8u));
    }
  }

  // Positions of this tile of tokens, and this split's share of them in whole steps.
  uint first_position = positions[token_base];
  uint end_position = first_position + min(uint(tile_tokens) - 1u, last_token - token_base) + 1u;
  uint begin_position = 0u;
  if (push.window != 0u) begin_position = first_position + 1u - min(push.window, first_position + 1u);
  uint begin_step = begin_position / LANES, end_step = (end_position + LANES - 1u) / LANES;
  uint share = (end_step - begin_step + push.splits - 1u) / push.splits;
  uint step_begin = min(begin_step + gl_WorkGroupID.z * share, end_step);
  uint step_end = min(step_begin + share, end_step);

  uint group_row = (push.first_row + head_row) * push.capacity;
  float m[kRows], total[kRows], sum[kRows][kOwn];
#ifdef RAW_ZERO
  float weights[kRows][kRounds];  // sum of weight * scale, for the raw numbers' offset
#endif
  [[unroll]] for (int r = 0; r < kRows; ++r) {
    m[r] = kNoMaximum;
    total[r] = 0.0;
    [[unroll]] for (int i = 0; i < kOwn; ++i) sum[r][i] = 0.0;
#ifdef RAW_ZERO
    [[unroll]] for (int j = 0; j < kRounds; ++j) weights[r][j] = 0.0;
#endif
  }

  for (uint step = step_begin; step < step_end; ++step) {
    uint position = step * LANES + lane;
    uint k_row = group_row + min(position, end_position - 1u);

    // Scores.
    float s[kRows];
    [[unroll]] for (int r = 0; r < kRows; ++r) s[r] = 0.0;
#ifdef CACHE_SCALED
    [[unroll]] for (int b = 0; b < kBlocks; ++b) {
      float block_score[kRows];
#ifdef RAW_ZERO
      [[unroll]] for (int r = 0; r < kRows; ++r) block_score[r] = zero[r][b];
#else
      [[unroll]] for (int r = 0; r < kRows; ++r) block_score[r] = 0.0;
#endif
      [[unroll]] for (int c = 0; c < kBlockChunks; ++c) {
        uvec4 chunk = LOAD_CACHE(k_row * uint(kRowChunks) + uint(b * kBlockChunks + c));
        [[unroll]] for (int w = 0; w < 4; ++w) {
          [[unroll]] for (int i = 0; i < WORD_ELEMENTS; ++i) {
            float key = raw_element(chunk[w], i);
            [[unroll]] for (int r = 0; r < kRows; ++r)
              block_score[r] += key * Q_ELEMENT(r, b * 32 + c * CHUNK_ELEMENTS + w * WORD_ELEMENTS + i);
          }
        }
      }
      float scale = scale_of(push.k_scale_chunk, k_row * uint(kBlocks), b);
      [[unroll]] for (int r = 0; r < kRows; ++r) s[r] += scale * block_score[r];
    }
#else
    [[unroll]] for (int c = 0; c < kRowChunks; ++c) {
      uvec4 chunk = LOAD_CACHE(k_row * uint(kRowChunks) + uint(c));
      [[unroll]] for (int w = 0; w < 4; ++w) {
        [[unroll]] for (int i = 0; i < WORD_ELEMENTS; ++i) {
          float key = raw_element(chunk[w], i);
          [[unroll]] for (int r = 0; r < kRows; ++r) s[r] += key * Q_ELEMENT(r, c * CHUNK_ELEMENTS + w * WORD_ELEMENTS + i);
        }
      }
    }
#endif

    // Cap, mask, and how far the scores rise above the running maxima.
    float rise = kMasked;
    [[unroll]] for (int r = 0; r < kRows; ++r) {
      if (capped != 0u) {
        float t = exp2(-2.0 * kLog2e * abs(s[r]));
        s[r] = sign(s[r]) * (1.0 - t) / (1.0 + t) * push.soft_cap * kLog2e;
      }
      uint query_position = first_position + uint(r / tile_heads);
      bool visible = position <= query_position && position < end_position;
      if (push.window != 0u) visible = visible && position + push.window > query_position;
      s[r] = visible ? s[r] : kMasked;
      rise = max(rise, s[r] - m[r]);
    }
    if (lanes_max(rise) > kSlack) {
      [[unroll]] for (int r = 0; r < kRows; ++r) {
        float top = max(m[r], lanes_max(s[r]));
        float shrink = exp2(m[r] - top);
        m[r] = top;
        total[r] *= shrink;
        [[unroll]] for (int i = 0; i < kOwn; ++i) sum[r][i] *= shrink;
#ifdef RAW_ZERO
        [[unroll]] for (int j = 0; j < kRounds; ++j) weights[r][j] *= shrink;
#endif
      }
    }
    [[unroll]] for (int r = 0; r < kRows; ++r) {
      s[r] = exp2(s[r] - m[r]);  // from here on the weight
      total[r] += s[r];
    }

    // Sums.
#ifdef CACHE_SCALED
    float v_scale[kBlocks];  // of the lane's position
    [[unroll]] for (int b = 0; b < kBlocks; ++b) v_scale[b] = scale_of(push.v_scale_chunk, k_row * uint(kBlocks), b);
#endif
    [[unroll]] for (int p = 0; p < LANES; ++p) {
      uint v_row = group_row + min(step * LANES + uint(p), end_position - 1u);
      float weight[kRows];
      [[unroll]] for (int r = 0; r < kRows; ++r) weight[r] = FROM_LANE(s[r], uint(p));
      [[unroll]] for (int j = 0; j < kRounds; ++j) {
        uint unit = min(uint(j * LANES) + lane, uint(head_dim / kUnit - 1));
        uvec4 chunk = LOAD_CACHE(push.v_chunk + v_row * uint(kRowChunks) + unit / uint(kUnitsPerChunk));
        // The unit's words: a whole chunk, a pair, a word or half of one.
        if (kUnitsPerChunk == 2) chunk.xy = mix(chunk.xy, chunk.zw, bvec2((unit & 1u) != 0u));
        if (kUnitsPerChunk == 4) chunk.x = chunk_word(chunk, unit & 3u);
        if (kUnitsPerChunk == 8) chunk.x = chunk_word(chunk, (unit >> 1) & 3u) >> (16u * (unit & 1u));
#ifdef CACHE_SCALED
        float scale = FROM_LANE(v_scale[j * LANES * kUnit / 32], uint(p));
        [[unroll]] for (int k = 1; k < kRoundBlocks; ++k)
          scale = mix(scale, FROM_LANE(v_scale[min(j * kRoundBlocks + k, kBlocks - 1)], uint(p)), lane * uint(kUnit) / 32u == uint(k));
#endif
        float value[kUnit];
        [[unroll]] for (int i = 0; i < kUnit; ++i) value[i] = raw_element(chunk[i / WORD_ELEMENTS], i % WORD_ELEMENTS);
        [[unroll]] for (int r = 0; r < kRows; ++r) {
          float w = weight[r];
#ifdef CACHE_SCALED
          w *= scale;
#endif
#ifdef RAW_ZERO
          weights[r][j] += w;
#endif
          [[unroll]] for (int i = 0; i < kUnit; ++i) sum[r][j * kUnit + i] += w * value[i];
        }
      }
    }
  }

  [[unroll]] for (int r = 0; r < kRows; ++r) {
    float all = lanes_sum(total[r]);
    uint token = token_base + uint(r / tile_heads), head = first_head + uint(r % tile_heads);
    // The grid may have more splits than there are.
    bool row_exists = token <= last_token && head < push.heads_per_group && gl_WorkGroupID.z < push.splits;
    uint row = (push.out_offset + token * push.out_stride + (head_base + head) * uint(head_dim)) / 4u;
    float normalise = 1.0 / all;
    if (push.splits > 1u) {
      row = (((token - push.first_token) * push.query_heads + head_base + head) * push.splits + gl_WorkGroupID.z) * (quads + 1u);
      normalise = 1.0;
      if (row_exists && lane == 0u) result[row + quads] = vec4(m[r], all, 0.0, 0.0);
    }
    [[unroll]] for (int j = 0; j < kRounds; ++j) {
      uint unit = uint(j * LANES) + lane;
      if (row_exists && unit < uint(head_dim / kUnit)) {
        [[unroll]] for (int i = 0; i < kUnit; i += 4) {
          vec4 value;
          [[unroll]] for (int e = 0; e < 4; ++e) {
            int element = i + e;
            value[e] = sum[r][j * kUnit + element] * raw_factor(uint(element % WORD_ELEMENTS));
          }
  #ifdef RAW_ZERO
          value -= RAW_ZERO * weights[r][j];
  #endif
          result[row + (unit * uint(kUnit) + uint(i)) / 4u] = value * normalise;
        }
      }
    }
  }
}
