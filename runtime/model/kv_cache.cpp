#include "runtime/model/kv_cache.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"
#include "runtime/gpu/device.h"

namespace regroup {

std::uint64_t kv_bytes_per_token(const ModelConfig& config, const std::vector<std::uint32_t>& groups, CacheType type) {
  std::uint64_t bytes = 0;
  for (const std::uint32_t g : groups) {
    const KvCacheLayout layout{type, g, config.head_dim, 1};
    bytes += 2ull * g * (layout.value_row_bytes() + 2 * layout.scale_row_halves());
  }
  return bytes;
}

void check_cache_type(const ModelConfig& config, CacheType type) {
  const bool quantised = type == CacheType::kQ8_0 || type == CacheType::kQ4_0;
  if (quantised && config.head_dim % 32 != 0) {
    throw_error(ErrorCode::kUsage, "--kv {}: needs a head_dim that is a multiple of 32, this model's is {}; use f16",
                cache_type_name(type), config.head_dim);
  }
}

KvCache::KvCache(Device& device, const ModelConfig& config, const std::vector<std::uint32_t>& groups, CacheType type,
                 std::uint32_t positions, std::uint32_t sequences)
    : arena_(device, MemoryUse::kDevice, "KV cache", Filling::kGradual),
      type_(type),
      capacity_((positions + kPositionStep - 1) / kPositionStep * kPositionStep),
      sequences_(sequences) {
  REGROUP_CHECK(groups.size() == config.layers.size() && sequences > 0);
  check_cache_type(config, type);
  const std::uint64_t limit =
      std::min(device.features().max_storage_buffer_range, device.features().max_allocation_bytes);
  const std::uint64_t group_bytes = KvCacheLayout{type, 1, config.head_dim, capacity_}.bytes();
  if (group_bytes > limit) {
    throw_error(ErrorCode::kOutOfMemory,
                "a context of {} positions takes {} bytes per KV head and layer, this device's buffers hold {}; use a "
                "smaller -c",
                capacity_, group_bytes, limit);
  }
  const auto groups_per_slice = static_cast<std::uint32_t>(std::min<std::uint64_t>(limit / group_bytes, 1u << 20));
  for (const std::uint32_t total : groups) {
    KvCacheLayer layer{type, total, config.head_dim, capacity_, {}, sequences};
    const auto add_slice = [&](std::uint32_t first_sequence, std::uint32_t count, std::uint32_t first_group,
                               std::uint32_t group_count) {
      const KvCacheLayout layout{type, count * group_count, config.head_dim, capacity_};
      layer.slices.push_back({arena_.buffer(layout.bytes(), "KV cache"), first_group, layout, first_sequence, count});
    };
    const std::uint32_t sequences_per_slice = std::max(1u, groups_per_slice / total);
    for (std::uint32_t s = 0; s < sequences; s += sequences_per_slice) {
      const std::uint32_t count = std::min(sequences_per_slice, sequences - s);
      for (std::uint32_t g = 0; g < total; g += groups_per_slice) {
        add_slice(s, count, g, std::min(groups_per_slice, total - g));
      }
    }
    layers_.push_back(std::move(layer));
  }
}

void fill_cache(Device& device, const KvCache& cache) {
  CommandList list(device);
  for (std::uint32_t l = 0; l < cache.layer_count(); ++l) {
    // Every cache type reads these bytes as numbers of ordinary size.
    for (const KvCacheSlice& slice : cache.layer(l).slices) list.fill(slice.buffer, 0x2c2c2c2cu);
  }
  list.run();
}

}  // namespace regroup
