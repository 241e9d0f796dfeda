// The key/value cache of one or several sequences: sized by each layer's groups, cut where a buffer limit demands it.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/gpu/buffer.h"
#include "runtime/model/model_config.h"
#include "runtime/ops/kv_cache_layout.h"

namespace regroup {

// Cache bytes that one position takes over all layers: 2 * sum of groups * head_dim elements, scales included.
std::uint64_t kv_bytes_per_token(const ModelConfig& config, const std::vector<std::uint32_t>& groups, CacheType type);

// Throws kUsage when head_dim does not fit the cache type (q8_0 and q4_0 need a multiple of 32).
void check_cache_type(const ModelConfig& config, CacheType type);

class KvCache {
 public:
  // `positions` of each sequence, rounded up to kPositionStep. groups: one number per layer.
  KvCache(Device& device, const ModelConfig& config, const std::vector<std::uint32_t>& groups, CacheType type,
          std::uint32_t positions, std::uint32_t sequences = 1);

  const KvCacheLayer& layer(std::uint32_t index) const { return layers_[index]; }
  std::uint32_t layer_count() const { return static_cast<std::uint32_t>(layers_.size()); }
  CacheType type() const { return type_; }
  std::uint32_t capacity() const { return capacity_; }
  std::uint32_t sequences() const { return sequences_; }
  // Exactly sequences() * capacity() * kv_bytes_per_token().
  std::uint64_t bytes() const { return arena_.requested_bytes(); }

 private:
  Arena arena_;
  CacheType type_;
  std::uint32_t capacity_;
  std::uint32_t sequences_;
  std::vector<KvCacheLayer> layers_;
};

// Fills all positions with ordinary numbers, for measurements whose time does not depend on the values.
void fill_cache(Device& device, const KvCache& cache);

}  // namespace regroup
