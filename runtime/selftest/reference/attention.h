// Grouped-query attention in double precision, straight from the equation in runtime/ops/attention.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace regroup::reference {

struct AttentionShape {
  std::uint32_t query_heads = 0;
  std::uint32_t groups = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t tokens = 1;
  std::uint32_t first_position = 0;  // of token 0
  double scale = 1;
  double soft_cap = 0;
  std::uint32_t window = 0;
};

// q: [tokens, query_heads, head_dim]; k, v: [groups, positions, head_dim], positions >= first_position + tokens.
// Returns [tokens, query_heads, head_dim].
std::vector<double> attention(const AttentionShape& shape, std::span<const float> q, std::span<const float> k,
                              std::span<const float> v);

}  // namespace regroup::reference
