// The attention weights of one layer, computed on the host from the pass's own rotated queries and cached keys: what a
// viewer draws, at no cost to the kernels.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/model/kv_cache.h"
#include "runtime/model/model_config.h"

namespace regroup {

// Cached keys of one layer as floats: [groups][count][head_dim].
std::vector<float> cached_keys(Device& device, const KvCache& cache, std::uint32_t layer, std::uint32_t count);

// Weights with which the token at `position` looks at positions 0 .. position: [H][position + 1], each row sums to 1.
// query: [H * head_dim]; keys: [groups][key_count][head_dim], key_count > position.
std::vector<float> attention_rows(const ModelConfig& config, std::uint32_t layer, std::uint32_t groups,
                                  std::span<const float> query, std::span<const float> keys, std::uint32_t key_count,
                                  std::uint32_t position);

}  // namespace regroup
