// From many key/value heads to G (Ainslie et al. 2023, section 2.1): pooling of projection weights, biases and cached
// keys and values.
#pragma once

#include <span>
#include <vector>

#include "runtime/ops/kv_cache_layout.h"
#include "runtime/ops/linear.h"

namespace regroup {

// Which source heads form each target group and with what weight: out head g = sum over terms of factor * source head.
// mean of n heads: factors 1/n; first and random: one term of factor 1.
//
// Every product and sum is rounded to f32, the terms of a target are added in their order, and where several terms of a
// target have the same factor throughout, the heads are added first and their sum is multiplied once. So a mean equals
// numpy's within one unit in the last place (exactly, where n is a power of two).
struct PoolTerm {
  std::uint32_t target;
  std::uint32_t source;
  float factor;
};

// target[g * head_dim + d, k] = sum of factor * source[s * head_dim + d, k] over the terms (g, s).
// source: any format; target: f32 panels of the same panel_rows made by allocate_matrix. Both may be cut into slices.
struct PoolWeights {
  WeightMatrix source;  // [source_heads * head_dim, K]
  WeightMatrix target;  // [groups * head_dim, K], format kF32; rows that pad its last panel are not written
  std::uint32_t head_dim = 0;
  std::span<const PoolTerm> terms;
  BufferView terms_buffer;  // pool_terms_bytes(terms.size(), groups), filled by the caller with encode_pool_terms
};

// The terms as kernels read them: pool_terms_bytes() / 4 words. Every target below `groups` has at least one term.
std::vector<std::uint32_t> encode_pool_terms(std::span<const PoolTerm> terms, std::uint32_t groups);
std::uint64_t pool_terms_bytes(std::size_t term_count, std::uint32_t groups);
void record(CommandList& list, const KernelProfile& profile, const PoolWeights& op);

// The same on the host, bit by bit: `source` holds the decoded rows of all source heads, `out` groups * head_dim rows
// of `columns` floats.
void pool_rows_on_host(std::span<const PoolTerm> terms, std::uint32_t groups, std::uint32_t head_dim,
                       std::uint32_t columns, std::span<const float> source, std::span<float> out);

// Pools what a cache holds at positions [0, count) into a cache with fewer groups, K and V alike. Exact where the
// pooled projection is linear up to the cache (values; keys of layer 0 with plain RoPE); an approximation in deeper
// layers and under QK-norm. The sum is rounded to the target's type once; where the heads of a group lie in several
// slices of the source, once after each slice.
struct PoolCache {
  KvCacheLayer source;
  KvCacheLayer target;      // may have another type and capacity; groups = highest target + 1
  std::uint32_t count = 0;  // positions
  std::span<const PoolTerm> terms;
  BufferView terms_buffer;
};
void record(CommandList& list, const KernelProfile& profile, const PoolCache& op);

}  // namespace regroup
