// Writes and reads rows of a key/value cache in host memory, for every cache type: the plain counterpart of the store
// and attention shaders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/ops/kv_cache_layout.h"

namespace regroup::reference {

enum class CacheRegion { kKeys, kValues };

// Encodes `row` (head_dim elements) as the row of (group, position) in `cache` (layout.bytes() bytes). q8_0: d =
// largest magnitude / 127, rounded to half; q4_0: d = the element of largest magnitude / -8.
void write_cache_row(const KvCacheLayout& layout, std::span<std::byte> cache, CacheRegion region, std::uint32_t group,
                     std::uint32_t position, std::span<const float> row);

// Decodes the row of (group, position): head_dim elements, as exact products of scale and level.
std::vector<float> read_cache_row(const KvCacheLayout& layout, std::span<const std::byte> cache, CacheRegion region,
                                  std::uint32_t group, std::uint32_t position);

}  // namespace regroup::reference
