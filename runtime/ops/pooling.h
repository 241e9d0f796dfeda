// From many key/value heads to G (Ainslie et al. 2023, section 2.1): pooling of projection weights, biases and cached keys and values.
#pragma once

#include <span>
#include <vector>

#include "runtime/ops/kv_cache_layout.h"
#include "runtime/ops/linear.h"

namespace regroup {

// Which source heads form each target group and with what weight: out head g = sum over terms of factor * source head.
// mean of n heads: factors 1/n; first and random: one term of factor 1. Terms are added in order, each product and sum rounded to f32.
struct PoolTerm {
  std::uint32_t target;
  std::uint32_t source;
  float factor;
};

// target[g * head_dim + d, k] = sum of factor * source[s * head_dim + d, k] over the terms (g, s), in the terms' order.
// source: any format; target: f32, f16 or f32 panels of the same panel_rows made by allocate_matrix, rounded to its format.
struct PoolWeights {
  WeightMatrix source;        // [source_heads * head_dim, K]
  WeightMatrix target;        // [groups * head_dim, K], format kF32
  std::uint32_t head_dim = 0;
  std::span<const PoolTerm> terms;
  BufferView terms_buffer;    // pool_terms_bytes(terms.size()), filled by the caller with encode_pool_terms
};

std::vector<std::uint32_t> encode_pool_terms(std::span<const PoolTerm> terms, std::uint32_t groups);
void record(CommandList& list, const KernelProfile& profile, const PoolWeights& op);

// The same on the host, bit by bit: out has groups * head_dim rows of `columns` floats; source_row decodes a source row.
void pool_rows_on_host(std::span<const PoolTerm> terms, std::uint32_t groups, std::uint32_t head_dim, std::uint32_t columns,
                       std::span<const float> source, std::span<float> out);

// Pools what a cache holds at positions [0, count) into a cache with fewer groups, K and V alike. Exact where the pooled projection is
// linear up to the cache (values; keys of layer 0 with plain RoPE); an approximation in deeper layers and under QK-norm.
struct PoolCache {
  KvCacheLayer source;
  KvCacheLayer target;        // may have another type and capacity; groups = highest target + 1
  std::uint32_t count = 0;    // positions
  std::span<const PoolTerm> terms;
  BufferView terms_buffer;
};
void record(CommandList& list, const KernelProfile& profile, const PoolCache& op);

}  // namespace regroup
