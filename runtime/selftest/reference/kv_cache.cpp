#include "runtime/selftest/reference/kv_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/core/error.h"
#include "runtime/core/half.h"

namespace regroup::reference {
namespace {

constexpr std::uint32_t kBlock = 32;

std::uint64_t value_row_at(const KvCacheLayout& layout, CacheRegion region, std::uint32_t group,
                           std::uint32_t position) {
  REGROUP_CHECK(group < layout.groups && position < layout.capacity);
  const std::uint64_t row = std::uint64_t{group} * layout.capacity + position;
  return (region == CacheRegion::kValues ? layout.v_offset() : 0) + row * layout.value_row_bytes();
}

std::uint64_t scale_row_at(const KvCacheLayout& layout, CacheRegion region, std::uint32_t group,
                           std::uint32_t position) {
  const std::uint64_t row = std::uint64_t{group} * layout.capacity + position;
  return (region == CacheRegion::kValues ? layout.v_scale_offset() : layout.k_scale_offset()) +
         row * layout.scale_row_halves() * 2;
}

template <typename T>
void put(std::span<std::byte> cache, std::uint64_t at, T value) {
  REGROUP_CHECK(at + sizeof(T) <= cache.size());
  std::memcpy(cache.data() + at, &value, sizeof(T));
}

template <typename T>
T get(std::span<const std::byte> cache, std::uint64_t at) {
  REGROUP_CHECK(at + sizeof(T) <= cache.size());
  T value;
  std::memcpy(&value, cache.data() + at, sizeof(T));
  return value;
}

// The element of largest magnitude, with its sign.
float extreme(std::span<const float> values) {
  return *std::max_element(values.begin(), values.end(), [](float a, float b) { return std::fabs(a) < std::fabs(b); });
}

float level(float value, float scale, float lowest, float highest) {
  return scale == 0 ? 0.0f : std::clamp(std::nearbyint(value / scale), lowest, highest);
}

}  // namespace

void write_cache_row(const KvCacheLayout& layout, std::span<std::byte> cache, CacheRegion region, std::uint32_t group,
                     std::uint32_t position, std::span<const float> row) {
  REGROUP_CHECK(row.size() == layout.head_dim);
  const std::uint64_t at = value_row_at(layout, region, group, position);
  const std::uint64_t scales_at = scale_row_at(layout, region, group, position);
  for (std::uint32_t i = 0; i < layout.head_dim; ++i) {
    if (layout.type == CacheType::kF32) put(cache, at + 4 * i, row[i]);
    if (layout.type == CacheType::kF16) put(cache, at + 2 * i, float_to_half(row[i]));
  }
  if (layout.scale_row_halves() == 0) return;
  for (std::uint32_t block = 0; block < layout.head_dim / kBlock; ++block) {
    const std::span<const float> values = row.subspan(block * kBlock, kBlock);
    const bool bytes = layout.type == CacheType::kQ8_0;
    const float scale = bytes ? std::fabs(extreme(values)) / 127.0f : extreme(values) / -8.0f;
    put(cache, scales_at + 2 * block, float_to_half(scale));
    for (std::uint32_t i = 0; i < kBlock; ++i) {
      const std::uint32_t element = block * kBlock + i;
      if (bytes) {
        put(cache, at + element, static_cast<std::int8_t>(level(values[i], scale, -127, 127)));
        continue;
      }
      const auto nibble = static_cast<std::uint8_t>(level(values[i], scale, -8, 7) + 8);
      const std::uint64_t byte_at = at + element / 2;
      const auto old = get<std::uint8_t>(cache, byte_at);
      put(cache, byte_at,
          static_cast<std::uint8_t>(element % 2 == 0 ? (old & 0xf0u) | nibble : (old & 0x0fu) | (nibble << 4)));
    }
  }
}

std::vector<float> read_cache_row(const KvCacheLayout& layout, std::span<const std::byte> cache, CacheRegion region,
                                  std::uint32_t group, std::uint32_t position) {
  const std::uint64_t at = value_row_at(layout, region, group, position);
  const std::uint64_t scales_at = scale_row_at(layout, region, group, position);
  std::vector<float> row(layout.head_dim);
  for (std::uint32_t i = 0; i < layout.head_dim; ++i) {
    const auto scale = [&] { return half_to_float(get<std::uint16_t>(cache, scales_at + 2 * (i / kBlock))); };
    switch (layout.type) {
      case CacheType::kF32:
        row[i] = get<float>(cache, at + 4 * i);
        break;
      case CacheType::kF16:
        row[i] = half_to_float(get<std::uint16_t>(cache, at + 2 * i));
        break;
      case CacheType::kQ8_0:
        row[i] = scale() * static_cast<float>(get<std::int8_t>(cache, at + i));
        break;
      case CacheType::kQ4_0:
        row[i] = scale() * static_cast<float>(((get<std::uint8_t>(cache, at + i / 2) >> (4 * (i % 2))) & 15) - 8);
        break;
    }
  }
  return row;
}

}  // namespace regroup::reference
