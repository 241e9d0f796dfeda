// Pools cached keys and values over heads, from a cache of any type to one of any type; see pool_cache.h.
#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : enable
#include "shaders/position/cache_word.glsl"
#include "shaders/pooling/pool_cache.h"

#if defined(SOURCE_F32)
#define SOURCE_TYPE 0
#elif defined(SOURCE_F16)
#define SOURCE_TYPE 1
#elif defined(SOURCE_Q8_0)
#define SOURCE_TYPE 2
#elif defined(SOURCE_Q4_0)
#define SOURCE_TYPE 3
#endif
#if defined(CACHE_F32)
#define TARGET_TYPE 0
#elif defined(CACHE_F16)
#define TARGET_TYPE 1
#elif defined(CACHE_Q8_0)
#define TARGET_TYPE 2
#elif defined(CACHE_Q4_0)
#define TARGET_TYPE 3
#endif
#if SOURCE_TYPE <= 1
#define SOURCE_WORD uvec4
#else
#define SOURCE_WORD uint
#endif

layout(local_size_x = 8, local_size_x_id = 0) in;

layout(binding = 0) readonly buffer Source { SOURCE_WORD source[]; };
layout(binding = 1) buffer Target { CACHE_WORD cache[]; };
layout(binding = 2) readonly buffer Terms { uint terms[]; };

#define BLOCK_TYPE SOURCE_TYPE
#define BLOCK_BUFFER source
#define LOAD_BLOCK load_source
#define LOAD_SCALE load_source_scale
#include "shaders/pooling/cache_block.glsl"
#define BLOCK_TYPE TARGET_TYPE
#define BLOCK_BUFFER cache
#define LOAD_BLOCK load_target
#define LOAD_SCALE load_target_scale
#include "shaders/pooling/cache_block.glsl"
#include "shaders/pooling/terms.glsl"
#include "shaders/position/block_encode.glsl"

const uint blocks_per_head = (head_dim + 31u) / 32u;

void main() {
  uint unit = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * workgroup_size + gl_LocalInvocationID.x;
  uint b = unit % blocks_per_head;
  uint position = unit / blocks_per_head % push.count;
  uint slice_group = unit / (blocks_per_head * push.count) % push.target_groups;
  uint region = unit / (blocks_per_head * push.count * push.target_groups);
  if (region > 1u) return;
  uint group = push.target_first_group + slice_group;
  uint chunks = min(8u, head_dim / 4u - 8u * b);
  uint row = slice_group * push.target_capacity + position;
  uint values_at = region == 0u ? 0u : push.target_v_at;
  uint scales_at = region == 0u ? push.target_k_scales_at : push.target_v_scales_at;

  // What an earlier slice began and whether a later one goes on.
  uint count = term_count(group);
  bool here = false, begun = false, goes_on = false;
  for (uint i = 0u; i < count; ++i) {
    uint head = term_source(group, push.all_groups, i);
    begun = begun || head < push.source_first_group;
    goes_on = goes_on || head >= push.source_first_group + push.source_groups;
    here = here || head - push.source_first_group < push.source_groups;
  }
  if (!here) return;

  vec4 sum[8];
  [[unroll]] for (int c = 0; c < 8; ++c) sum[c] = vec4(0.0);
  if (begun) load_target(b, chunks, values_at, scales_at, row, head_dim, sum);
  for (uint i = 0u; i < count; ++i) {
    uint head = term_source(group, push.all_groups, i) - push.source_first_group;
    if (head >= push.source_groups) continue;
    float factor = term_factor(group, push.all_groups, i);
    vec4 z[8];
    load_source(b, chunks, region == 0u ? 0u : push.source_v_at, region == 0u ? push.source_k_scales_at : push.source_v_scales_at,
                head * push.source_capacity + position, head_dim, z);
    [[unroll]] for (int c = 0; c < 8; ++c) sum[c] += factor * z[c];
  }
  if (!goes_on) {
    float closing = closing_factor(group, push.all_groups);
    [[unroll]] for (int c = 0; c < 8; ++c) sum[c] *= closing;
  }
  store_block(sum, b, chunks, values_at, scales_at, row, head_dim);
}
