#include "runtime/decode/attention_rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/core/half.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

// One row of cache values (see kv_cache_layout.h); scales: one half per 32 elements for the quantised types.
void decode_cache_row(CacheType type, const std::byte* row, const std::uint16_t* scales, std::span<float> out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    switch (type) {
      case CacheType::kF32:
        std::memcpy(&out[i], row + i * 4, 4);
        break;
      case CacheType::kF16: {
        std::uint16_t bits = 0;
        std::memcpy(&bits, row + i * 2, 2);
        out[i] = half_to_float(bits);
        break;
      }
      case CacheType::kQ8_0:
        out[i] = half_to_float(scales[i / 32]) * static_cast<float>(static_cast<std::int8_t>(row[i]));
        break;
      case CacheType::kQ4_0: {
        const unsigned nibble = static_cast<unsigned>(row[i / 2]) >> (i % 2 * 4) & 15u;
        out[i] = half_to_float(scales[i / 32]) * (static_cast<float>(nibble) - 8.0f);
        break;
      }
    }
  }
}

}  // namespace

std::vector<float> cached_keys(Device& device, const KvCache& cache, std::uint32_t layer, std::uint32_t count) {
  REGROUP_CHECK(cache.sequences() == 1);
  const KvCacheLayer& rows = cache.layer(layer);
  std::vector<float> keys(std::size_t{rows.groups} * count * rows.head_dim);
  for (const KvCacheSlice& slice : rows.slices) {
    const KvCacheLayout& layout = slice.layout;
    const std::size_t row_bytes = layout.value_row_bytes(), row_halves = layout.scale_row_halves();
    for (std::uint32_t g = 0; g < layout.groups; ++g) {
      const BufferView view = slice.buffer;
      const std::uint64_t values_at = std::uint64_t{g} * layout.capacity * row_bytes;
      const auto values = download_values<std::byte>(
          device, BufferView(*view.buffer, view.offset_bytes + values_at, count * row_bytes), count * row_bytes);
      std::vector<std::uint16_t> scales;
      if (row_halves > 0) {
        const std::uint64_t at = layout.k_scale_offset() + std::uint64_t{g} * layout.capacity * row_halves * 2;
        scales = download_values<std::uint16_t>(
            device, BufferView(*view.buffer, view.offset_bytes + at, count * row_halves * 2), count * row_halves);
      }
      float* out = keys.data() + std::size_t{slice.first_group + g} * count * rows.head_dim;
      for (std::uint32_t j = 0; j < count; ++j) {
        decode_cache_row(rows.type, values.data() + j * row_bytes, scales.data() + j * row_halves,
                         {out + std::size_t{j} * rows.head_dim, rows.head_dim});
      }
    }
  }
  return keys;
}

std::vector<float> attention_rows(const ModelConfig& config, std::uint32_t layer, std::uint32_t groups,
                                  std::span<const float> query, std::span<const float> keys, std::uint32_t key_count,
                                  std::uint32_t position) {
  const std::uint32_t heads = config.query_heads, dim = config.head_dim, window = config.layers[layer].window;
  const std::uint32_t first = window != 0 && position >= window ? position - window + 1 : 0;
  std::vector<float> rows(std::size_t{heads} * (position + 1), 0.0f);
  for (std::uint32_t h = 0; h < heads; ++h) {
    const float* q = query.data() + std::size_t{h} * dim;
    const float* k = keys.data() + std::size_t{h * groups / heads} * key_count * dim;
    float* row = rows.data() + std::size_t{h} * (position + 1);
    float largest = -std::numeric_limits<float>::infinity();
    for (std::uint32_t j = first; j <= position; ++j) {
      float sum = 0;
      for (std::uint32_t i = 0; i < dim; ++i) sum += q[i] * k[std::size_t{j} * dim + i];
      row[j] = sum * config.attention_scale;
      largest = std::max(largest, row[j]);
    }
    float total = 0;
    for (std::uint32_t j = first; j <= position; ++j) total += row[j] = std::exp(row[j] - largest);
    for (std::uint32_t j = first; j <= position; ++j) row[j] /= total;
  }
  return rows;
}

}  // namespace regroup
