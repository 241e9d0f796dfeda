// Contract of the attention kernels (attention_registers.h, attention_broadcast.h, attention_shared.h). Grouped-query attention (Ainslie et al. 2023, section 2.2)
// with an online softmax in base 2 (Milakov, Gimelshein 2018; Dao et al. 2022), for one decoded token as well as for a tile of a prompt.
//   s[j] = scale * q[t, h] . K[g, j],  g = h / heads_per_group,  capped: soft_cap * tanh(s / soft_cap)
//   out[t, h] = sum_j 2^(log2e s[j] - m) V[g, j] / sum_j 2^(log2e s[j] - m)   over  position(t) - window < j <= position(t)
//   position(t) = positions[first token of the tile] + its number in the tile;  window 0: from the first position on
//   Tokens are a run of one sequence, or one token of each of several sequences, which lie one after the other in the slice; tiles are then
//   of one token.
//
//   binding 0  cache      16-byte chunks of one slice (runtime/ops/kv_cache_layout.h)
//   binding 1  q          [tokens, query heads * head_dim] f32, row t at q_offset + t * q_stride (multiples of 4)
//   binding 2  positions  [tokens] u32
//   binding 3  splits 1: out, as q with out_offset and out_stride
//              else: partial results [token_count][query heads][splits][head_dim + 4] f32: the sum of the V rows, m, the sum of weights, 0, 0
//
// Rows: a workgroup computes tile_heads heads of one group times tile_tokens tokens; every K and V row that it loads serves all of them.
// Grid: x = token tiles of a sequence (first and last alternating, so that contiguous runs of workgroups have equal work),
//       y = [sequence][group][head tile], z = splits.
// Splits share the positions of a token tile evenly, in whole steps; a split may be empty (m = -1e30, sum 0).
// Positions past the last one of the tile are never read.
#ifndef REGROUP_SHADERS_ATTENTION_ATTENTION_H
#define REGROUP_SHADERS_ATTENTION_ATTENTION_H
#include "shaders/common/interop.h"

REGROUP_PUSH_CONSTANTS(AttentionPush,
                       uint q_offset;
                       uint q_stride;
                       uint out_offset;
                       uint out_stride;
                       uint first_token;     // of this dispatch
                       uint token_count;     // of this dispatch
                       uint first_sequence;  // token of this dispatch that the first sequence's is
                       uint first_row;       // its head of the slice
                       uint groups;          // of a sequence in the slice
                       uint first_group;     // of the slice
                       uint heads_per_group;
                       uint query_heads;
                       uint head_tiles;      // workgroups per group
                       uint splits;
                       uint capacity;        // positions allocated per head
                       uint v_chunk;         // region starts in chunks of 16 bytes
                       uint k_scale_chunk;
                       uint v_scale_chunk;
                       uint window;
                       float scale;
                       float soft_cap;       // 0: none
                       uint head_dim;        // a multiple of 4 (f32), 8 (f16) or 32 (quantised), at most 256
                       uint tile_heads;
                       uint tile_tokens;)

#endif
