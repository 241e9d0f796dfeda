#include "runtime/ops/kv_cache_layout.h"

#include <algorithm>
#include <array>

namespace regroup {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"f32", "f16", "q8_0", "q4_0"};

std::uint64_t round_up_16(std::uint64_t bytes) {
  return (bytes + 15) / 16 * 16;
}

}  // namespace

std::string_view cache_type_name(CacheType type) {
  return kNames[static_cast<std::size_t>(type)];
}

std::optional<CacheType> cache_type_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<CacheType>(i);
  }
  return std::nullopt;
}

std::uint32_t KvCacheLayout::value_row_bytes() const {
  switch (type) {
    case CacheType::kF32:
      return head_dim * 4;
    case CacheType::kF16:
      return head_dim * 2;
    case CacheType::kQ8_0:
      return head_dim;
    case CacheType::kQ4_0:
      return head_dim / 2;
  }
  return 0;
}

std::uint32_t KvCacheLayout::scale_row_halves() const {
  return type == CacheType::kQ8_0 || type == CacheType::kQ4_0 ? head_dim / 32 : 0;
}

std::uint64_t KvCacheLayout::values_bytes() const {
  return round_up_16(std::uint64_t{groups} * capacity * value_row_bytes());
}

std::uint64_t KvCacheLayout::scales_bytes() const {
  return round_up_16(std::uint64_t{groups} * capacity * scale_row_halves() * 2);
}

SliceTokens slice_tokens(const KvCacheSlice& slice, const CacheSequences& sequences, std::uint32_t tokens) {
  const std::uint32_t used = sequences.one_token_each ? tokens : 1;
  const std::uint32_t begin = std::max(slice.first_sequence, sequences.first);
  const std::uint32_t end = std::min(slice.first_sequence + slice.sequences, sequences.first + used);
  if (begin >= end) return {};
  SliceTokens found;
  found.first_row = (begin - slice.first_sequence) * slice.groups_per_sequence();
  found.sequences_count = end - begin;
  found.first_token = sequences.one_token_each ? begin - sequences.first : 0;
  found.count = sequences.one_token_each ? end - begin : tokens;
  return found;
}

}  // namespace regroup
