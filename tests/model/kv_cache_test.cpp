// What a cache takes: predicted per token, allocated exactly, rounded to steps of positions, cut at the device's
// limits.
#include "runtime/model/kv_cache.h"

#include <array>

#include "runtime/core/error.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

constexpr CacheType kTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0};

ModelConfig config_of(std::uint32_t head_dim, std::uint32_t layers = 3) {
  ModelConfig config;
  config.head_dim = head_dim;
  config.query_heads = 16;
  config.layers.assign(layers, {.kv_heads = 16});
  return config;
}

class KvCacheTest : public DeviceTest {};

TEST_F(KvCacheTest, BytesPerTokenAreWhatThePaperCounts) {
  // 2 (K and V) * groups * head_dim elements per layer; blocks of 32 with one half of scale where quantised.
  const ModelConfig config = config_of(64);
  const std::vector<std::uint32_t> groups = {8, 2, 1};
  const std::uint64_t elements = 2 * (8 + 2 + 1) * 64;
  EXPECT_EQ(kv_bytes_per_token(config, groups, CacheType::kF32), elements * 4);
  EXPECT_EQ(kv_bytes_per_token(config, groups, CacheType::kF16), elements * 2);
  EXPECT_EQ(kv_bytes_per_token(config, groups, CacheType::kQ8_0), elements * 34 / 32);
  EXPECT_EQ(kv_bytes_per_token(config, groups, CacheType::kQ4_0), elements * 18 / 32);
}

TEST_F(KvCacheTest, AllocatesExactlyThePrediction) {
  for (const std::uint32_t head_dim : {32u, 64u, 96u, 256u}) {
    const ModelConfig config = config_of(head_dim);
    for (const CacheType type : kTypes) {
      for (const std::vector<std::uint32_t>& groups : {std::vector<std::uint32_t>{16, 4, 1}, {1, 1, 1}, {2, 8, 16}}) {
        for (const std::uint32_t positions : {1u, 32u, 100u}) {
          const KvCache cache(device(), config, groups, type, positions);
          EXPECT_EQ(cache.capacity(), (positions + 31) / 32 * 32);
          EXPECT_EQ(cache.bytes(), cache.capacity() * kv_bytes_per_token(config, groups, type))
              << cache_type_name(type) << " head_dim " << head_dim << " positions " << positions;
        }
      }
    }
  }
}

TEST_F(KvCacheTest, OneSliceWhereTheBufferLimitAllows) {
  const KvCache cache(device(), config_of(64), {16, 4, 1}, CacheType::kF16, 64);
  for (std::uint32_t l = 0; l < 3; ++l) {
    const KvCacheLayer& layer = cache.layer(l);
    ASSERT_EQ(layer.slices.size(), 1u);
    EXPECT_EQ(layer.slices[0].layout.groups, layer.groups);
    EXPECT_EQ(layer.slices[0].buffer.size_bytes, layer.slices[0].layout.bytes());
    EXPECT_EQ(layer.capacity, 64u);
  }
}

TEST_F(KvCacheTest, SlicesCoverTheGroupsWhereTheBufferLimitIsSmall) {
  // Under the guaranteed 128 MiB a cache of f32 with 256 elements has room for 65536 / 3 positions of three groups:
  // 2 * 256 * 4 bytes for each group and position.
  Device& floor = shared_device("minimum");
  const std::uint32_t positions = 20000;
  const KvCache cache(floor, config_of(256, 1), {4}, CacheType::kF32, positions);
  const KvCacheLayer& layer = cache.layer(0);
  ASSERT_EQ(layer.slices.size(), 2u);
  EXPECT_EQ(layer.slices[0].first_group, 0u);
  EXPECT_EQ(layer.slices[0].layout.groups, 3u);
  EXPECT_EQ(layer.slices[1].first_group, 3u);
  EXPECT_EQ(layer.slices[1].layout.groups, 1u);
  for (const KvCacheSlice& slice : layer.slices) {
    EXPECT_LE(slice.layout.bytes(), floor.features().max_storage_buffer_range);
    EXPECT_EQ(slice.layout.capacity, cache.capacity());
  }
  EXPECT_EQ(cache.bytes(), cache.capacity() * kv_bytes_per_token(config_of(256, 1), {4}, CacheType::kF32));
}

TEST_F(KvCacheTest, SlicesHoldWholeSequencesWhileOneFits) {
  Device& floor = shared_device("minimum");
  // 20000 positions of one group take 40 MiB: three fit into the guaranteed 128 MiB.
  const auto cuts = [&](std::uint32_t groups, std::uint32_t sequences) {
    const KvCache cache(floor, config_of(256, 1), {groups}, CacheType::kF32, 20000, sequences);
    EXPECT_EQ(cache.bytes(),
              sequences * cache.capacity() * kv_bytes_per_token(config_of(256, 1), {groups}, CacheType::kF32));
    std::vector<std::array<std::uint32_t, 4>> found;
    for (const KvCacheSlice& slice : cache.layer(0).slices) {
      found.push_back({slice.first_sequence, slice.sequences, slice.first_group, slice.groups_per_sequence()});
    }
    return found;
  };
  using Cuts = std::vector<std::array<std::uint32_t, 4>>;
  EXPECT_EQ(cuts(1, 4), (Cuts{{0, 3, 0, 1}, {3, 1, 0, 1}}));
  EXPECT_EQ(cuts(2, 2), (Cuts{{0, 1, 0, 2}, {1, 1, 0, 2}}));
  EXPECT_EQ(cuts(4, 1), (Cuts{{0, 1, 0, 3}, {0, 1, 3, 1}}));
}

TEST_F(KvCacheTest, RefusesAContextThatNoBufferHolds) {
  Device& floor = shared_device("minimum");
  try {
    KvCache(floor, config_of(256, 1), {1}, CacheType::kF32, 65536 + 1);
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kOutOfMemory);
    EXPECT_NE(std::string_view(error.what()).find("smaller -c"), std::string_view::npos) << error.what();
  }
}

TEST_F(KvCacheTest, QuantisedCachesNeedWholeBlocks) {
  for (const CacheType type : kTypes) {
    const bool quantised = type == CacheType::kQ8_0 || type == CacheType::kQ4_0;
    EXPECT_NO_THROW(check_cache_type(config_of(96), type));
    if (!quantised) {
      EXPECT_NO_THROW(check_cache_type(config_of(80), type));
      continue;
    }
    try {
      KvCache(device(), config_of(80), {1, 1, 1}, type, 32);
      ADD_FAILURE() << "not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
      EXPECT_NE(std::string_view(error.what()).find("80"), std::string_view::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace regroup::test
