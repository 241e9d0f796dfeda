// Sizes and region starts of the key/value cache by type, against hand-computed numbers.
#include "runtime/ops/kv_cache_layout.h"

#include <gtest/gtest.h>

namespace regroup {
namespace {

TEST(KvCacheLayout, NamesGoBothWays) {
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0}) {
    EXPECT_EQ(cache_type_from_name(cache_type_name(type)), type);
  }
  EXPECT_EQ(cache_type_name(CacheType::kQ4_0), "q4_0");
  EXPECT_EQ(cache_type_from_name("q5_0"), std::nullopt);
  EXPECT_EQ(cache_type_from_name(""), std::nullopt);
}

TEST(KvCacheLayout, BytesOfEveryType) {
  // 3 groups of 64 positions of 64 dims: 12288 elements for K and as many for V; two scales of 2 bytes a row where
  // quantised.
  const auto layout = [](CacheType type) { return KvCacheLayout{type, 3, 64, 64}; };
  EXPECT_EQ(layout(CacheType::kF32).bytes(), 2u * 12288 * 4);
  EXPECT_EQ(layout(CacheType::kF16).bytes(), 2u * 12288 * 2);
  EXPECT_EQ(layout(CacheType::kQ8_0).bytes(), 2u * (12288 + 192 * 2 * 2));
  EXPECT_EQ(layout(CacheType::kQ4_0).bytes(), 2u * (12288 / 2 + 192 * 2 * 2));
  EXPECT_EQ(layout(CacheType::kF16).scale_row_halves(), 0u);
  EXPECT_EQ(layout(CacheType::kQ4_0).scale_row_halves(), 2u);
}

TEST(KvCacheLayout, RegionsFollowEachOtherAlignedAndDoNotOverlap) {
  for (const CacheType type : {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0}) {
    for (const std::uint32_t head_dim : {32u, 64u, 96u, 128u, 256u}) {
      for (const std::uint32_t groups : {1u, 3u, 9u}) {
        const KvCacheLayout layout{type, groups, head_dim, kPositionStep};
        const std::uint64_t rows = std::uint64_t{groups} * kPositionStep;
        EXPECT_GE(layout.v_offset(), rows * layout.value_row_bytes());
        EXPECT_EQ(layout.k_scale_offset(), 2 * layout.v_offset());
        EXPECT_GE(layout.v_scale_offset() - layout.k_scale_offset(), rows * layout.scale_row_halves() * 2);
        EXPECT_GE(layout.bytes() - layout.v_scale_offset(), rows * layout.scale_row_halves() * 2);
        EXPECT_EQ(layout.v_offset() % 16, 0u);
        EXPECT_EQ(layout.k_scale_offset() % 16, 0u);
        EXPECT_EQ(layout.v_scale_offset() % 16, 0u);
        EXPECT_EQ(layout.bytes() % 16, 0u);
        EXPECT_EQ(layout.value_row_bytes() % 16, 0u) << "rows are whole chunks";
      }
    }
  }
}

// 80 dims: a f32 or f16 row need not hold a multiple of 32 elements.
TEST(KvCacheLayout, RowsOfEightyDims) {
  EXPECT_EQ((KvCacheLayout{CacheType::kF32, 1, 80, 32}.value_row_bytes()), 320u);
  EXPECT_EQ((KvCacheLayout{CacheType::kF16, 1, 80, 32}.value_row_bytes()), 160u);
}

// Sizes beyond 32 bits: 32 heads of 128 at 131072 positions in f32.
TEST(KvCacheLayout, LargeCachesDoNotWrapAround) {
  const KvCacheLayout layout{CacheType::kF32, 32, 128, 131072};
  EXPECT_EQ(layout.bytes(), std::uint64_t{2} * 32 * 128 * 131072 * 4);
}

}  // namespace
}  // namespace regroup
