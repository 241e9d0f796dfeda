// Grouped-query attention (Ainslie et al. 2023): query head h reads KV head floor(h * G / H). Every K/V row is loaded
// once for the query heads of its group.
#pragma once

#include <optional>

#include "runtime/ops/kv_cache_layout.h"
#include "runtime/ops/linear.h"

namespace regroup {

// For each token t and query head h:  out[t, h] = sum_j softmax_j( cap(scale * q[t, h] . K[g, j]) ) V[g, j]
//   over cached positions j with  positions[t] - window < j <= positions[t]   (window 0: from the first position)
//   cap(s) = soft_cap * tanh(s / soft_cap), soft_cap 0: none
struct Attention {
  Activations q;         // [tokens, query_heads * head_dim], rotated
  Activations out;       // [tokens, query_heads * head_dim]
  BufferView positions;  // [tokens] u32; tokens of one sequence are at consecutive positions: positions[t] =
                         // positions[0] + t
  KvCacheLayer cache;    // holds K and V of all positions up to the tokens' own
  CacheSequences sequences;
  std::uint32_t query_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t tokens = 1;
  float scale = 1.0f;
  float soft_cap = 0;
  std::uint32_t window = 0;
  // Upper bound of every positions[t] + 1 for as long as this recording is used: decides the split over positions and
  // the work estimate.
  std::uint32_t longest_context = 0;
  BufferView scratch = {};   // attention_scratch_bytes(); partial results of a split
  std::uint32_t splits = 0;  // over positions; 0: chosen (tests force a number)
};

// Bytes of scratch that any Attention with these bounds may need (at least 16).
std::uint64_t attention_scratch_bytes(const Device& device, const KernelProfile& profile, std::uint32_t query_heads,
                                      std::uint32_t head_dim, std::uint32_t max_tokens);

// For one token, alone or of each of several sequences, split over positions with a merge where that helps; for a run
// of tokens in tiles, causally.
void record(CommandList& list, const KernelProfile& profile, const Attention& op);

}  // namespace regroup
