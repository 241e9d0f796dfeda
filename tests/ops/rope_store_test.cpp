// RoPE, QK-norm and the store of K and V against double precision, for both plane layouts, all cache types and every
// profile. Tolerances: q and f32 caches 2e-6 relative and 1e-5 absolute; f16 half a step of the half more (rounding to
// nearest); q8_0 and q4_0 half a step of their block (a whole one for q4_0's clamped end), as the reference quantisers
// of ggml give.
#include "runtime/ops/rope_store.h"

#include <numeric>

#include "runtime/selftest/reference/kv_cache.h"
#include "runtime/selftest/reference/rms_norm.h"
#include "runtime/selftest/reference/rope.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

using reference::CacheRegion;

struct Case {
  std::uint32_t query_heads, groups, head_dim, rotary_dims;
  RopeLayout layout = RopeLayout::kInterleaved;
  CacheType type = CacheType::kF32;
  bool norm = false;
  std::uint32_t tokens = 2;
  std::uint32_t first_position = 5;
  std::uint32_t groups_per_slice = 99;
  bool separate_buffers = false;
};

class RopeStoreDeviceTest : public ProfileTest {
 protected:
  static constexpr std::uint32_t kCapacity = 64;
  static constexpr float kEpsilon = 1e-6f;
  static constexpr std::uint8_t kFiller = 0xa5;

  struct Slice {
    KvCacheLayout layout;
    Buffer* buffer;
    std::uint32_t first_group;
  };

  std::vector<Slice> make_cache(const Case& c, KvCacheLayer& layer) {
    layer = {c.type, c.groups, c.head_dim, kCapacity, {}};
    std::vector<Slice> slices;
    for (std::uint32_t first = 0; first < c.groups; first += c.groups_per_slice) {
      const KvCacheLayout layout{c.type, std::min(c.groups_per_slice, c.groups - first), c.head_dim, kCapacity};
      Buffer& buffer = arena_.buffer(layout.bytes(), "cache");
      upload(device(), buffer, std::vector<std::byte>(layout.bytes(), std::byte{kFiller}));
      layer.slices.push_back({buffer, first, layout});
      slices.push_back({layout, &buffer, first});
    }
    return slices;
  }

  static double stored_tolerance(CacheType type, double value, std::span<const double> block) {
    double largest = 0;
    for (const double other : block) largest = std::max(largest, std::fabs(other));
    if (type == CacheType::kF16) return std::fabs(value) / 2048 * 1.001 + 1e-5;
    if (type == CacheType::kQ8_0) return largest / 127 * 0.5 + largest / 2048 + 1e-5;
    if (type == CacheType::kQ4_0) return largest / 8 * 1.0 + largest / 2048 + 1e-5;
    return 1e-5 + 2e-6 * largest;
  }

  void check(const KernelProfile& profile, const Case& c) {
    SCOPED_TRACE(fmt::format("{}: {}/{} heads of {} (rotary {}, {}), {} tokens, cache {}, norm {}", profile.name,
                             c.query_heads, c.groups, c.head_dim, c.rotary_dims,
                             c.layout == RopeLayout::kInterleaved ? "interleaved" : "half-split", c.tokens,
                             cache_type_name(c.type), c.norm));
    const std::uint32_t q_size = c.query_heads * c.head_dim, kv_size = c.groups * c.head_dim;
    const std::uint32_t stride = q_size + 2 * kv_size + 4;
    const std::vector<float> rows = noise(c.tokens * stride, c.head_dim + c.tokens);
    const std::vector<float> q_gain = noise(c.head_dim, 1), k_gain = noise(c.head_dim, 2);
    std::vector<float> table(std::size_t{kCapacity} * std::max(c.rotary_dims, 4u));
    for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
      table[i] = std::cos(0.37f * static_cast<float>(i));
      table[i + 1] = std::sin(0.37f * static_cast<float>(i));
    }
    std::vector<std::uint32_t> positions(c.tokens);
    std::iota(positions.begin(), positions.end(), c.first_position);

    Buffer& q_buffer = upload_new(rows);
    Buffer& k_buffer = c.separate_buffers ? upload_new(rows) : q_buffer;
    Buffer& v_buffer = c.separate_buffers ? upload_new(rows) : q_buffer;
    RopeStore op{.q = {q_buffer, 0, stride},
                 .k = {k_buffer, q_size, stride},
                 .v = {v_buffer, q_size + kv_size, stride},
                 .positions = upload_new(positions),
                 .rope_table = upload_new(table),
                 .norm_epsilon = kEpsilon,
                 .query_heads = c.query_heads,
                 .head_dim = c.head_dim,
                 .rotary_dims = c.rotary_dims,
                 .layout = c.layout,
                 .tokens = c.tokens};
    if (c.norm) {
      op.q_norm_gain = upload_new(q_gain);
      op.k_norm_gain = upload_new(k_gain);
    }
    const std::vector<Slice> slices = make_cache(c, op.cache);
    run(profile, op);

    const auto expected_head = [&](std::uint32_t t, std::uint32_t at, const std::vector<float>& gain) {
      const std::span<const float> head = std::span(rows).subspan(t * stride + at, c.head_dim);
      const std::vector<double> normed =
          c.norm ? reference::rms_norm(head, gain, kEpsilon) : std::vector<double>(head.begin(), head.end());
      return reference::rope(normed, std::span(table).subspan(positions[t] * c.rotary_dims, c.rotary_dims),
                             c.layout == RopeLayout::kInterleaved);
    };
    // q in place; everything else of its buffer as before.
    std::vector<double> expected_q(rows.begin(), rows.end());
    for (std::uint32_t t = 0; t < c.tokens; ++t) {
      for (std::uint32_t h = 0; h < c.query_heads; ++h) {
        const auto head = expected_head(t, h * c.head_dim, q_gain);
        std::copy(head.begin(), head.end(), expected_q.begin() + t * stride + h * c.head_dim);
      }
    }
    EXPECT_LE(worst_error(floats(q_buffer, rows.size()), expected_q, 1e-5, 2e-6), 1.0);

    for (const Slice& slice : slices) {
      const auto cache = download_values<std::byte>(device(), *slice.buffer, slice.layout.bytes());
      // The positions before and behind the stored ones keep their bytes.
      std::vector<std::byte> untouched = cache;
      for (std::uint32_t group = 0; group < slice.layout.groups; ++group) {
        for (std::uint32_t t = 0; t < c.tokens; ++t) {
          const std::uint32_t head_at = (slice.first_group + group) * c.head_dim;
          const std::span<const float> v = std::span(rows).subspan(t * stride + q_size + kv_size + head_at, c.head_dim);
          check_row(slice.layout, cache, CacheRegion::kKeys, group, positions[t],
                    expected_head(t, q_size + head_at, k_gain));
          check_row(slice.layout, cache, CacheRegion::kValues, group, positions[t],
                    std::vector<double>(v.begin(), v.end()));
          for (const CacheRegion region : {CacheRegion::kKeys, CacheRegion::kValues}) {
            reference::write_cache_row(slice.layout, untouched, region, group, positions[t],
                                       std::vector<float>(c.head_dim));
          }
        }
      }
      std::vector<std::byte> filler(cache.size(), std::byte{kFiller});
      for (std::uint32_t group = 0; group < slice.layout.groups; ++group) {
        for (const std::uint32_t position : positions) {
          for (const CacheRegion region : {CacheRegion::kKeys, CacheRegion::kValues}) {
            reference::write_cache_row(slice.layout, filler, region, group, position, std::vector<float>(c.head_dim));
          }
        }
      }
      EXPECT_TRUE(untouched == filler) << "bytes beside the stored rows changed";
    }
  }

  void check_row(const KvCacheLayout& layout, std::span<const std::byte> cache, CacheRegion region, std::uint32_t group,
                 std::uint32_t position, const std::vector<double>& expected) {
    const std::vector<float> stored = reference::read_cache_row(layout, cache, region, group, position);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const std::size_t begin = i / 32 * 32;
      const auto block = std::span(expected).subspan(begin, std::min<std::size_t>(32, expected.size() - begin));
      ASSERT_NEAR(stored[i], expected[i], stored_tolerance(layout.type, expected[i], block))
          << "group " << group << " position " << position << " element " << i;
    }
  }
};

constexpr CacheType kAllTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0};

TEST_F(RopeStoreDeviceTest, StoresEveryCacheType) {
  for (const KernelProfile& profile : profiles()) {
    for (const CacheType type : kAllTypes) {
      check(profile, {.query_heads = 9, .groups = 3, .head_dim = 64, .rotary_dims = 64, .type = type, .tokens = 7});
    }
  }
}

// One scale a row (32) and three (96): neighbouring positions share a word of scales.
TEST_F(RopeStoreDeviceTest, OddNumbersOfScalesDoNotDisturbNeighbours) {
  const KernelProfile profile = kernel_profile(device());
  for (const CacheType type : {CacheType::kQ8_0, CacheType::kQ4_0}) {
    check(profile, {.query_heads = 6, .groups = 2, .head_dim = 32, .rotary_dims = 32, .type = type, .tokens = 33});
    check(profile, {.query_heads = 6, .groups = 2, .head_dim = 96, .rotary_dims = 96, .type = type, .tokens = 7});
  }
}

TEST_F(RopeStoreDeviceTest, HalfSplitPlanes) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, {.query_heads = 14,
                    .groups = 2,
                    .head_dim = 64,
                    .rotary_dims = 64,
                    .layout = RopeLayout::kHalfSplit,
                    .tokens = 33});
    check(profile, {.query_heads = 4,
                    .groups = 1,
                    .head_dim = 256,
                    .rotary_dims = 256,
                    .layout = RopeLayout::kHalfSplit,
                    .norm = true,
                    .tokens = 7});
  }
}

TEST_F(RopeStoreDeviceTest, EveryHeadSize) {
  const KernelProfile profile = kernel_profile(device());
  for (const std::uint32_t head_dim : {32u, 80u, 96u, 112u, 128u, 256u}) {
    for (const RopeLayout layout : {RopeLayout::kInterleaved, RopeLayout::kHalfSplit}) {
      check(profile, {.query_heads = 3,
                      .groups = 3,
                      .head_dim = head_dim,
                      .rotary_dims = head_dim,
                      .layout = layout,
                      .type = CacheType::kF16});
    }
  }
}

TEST_F(RopeStoreDeviceTest, PartialAndNoRotation) {
  const KernelProfile profile = kernel_profile(device());
  for (const RopeLayout layout : {RopeLayout::kInterleaved, RopeLayout::kHalfSplit}) {
    for (const std::uint32_t rotary_dims : {0u, 20u, 32u}) {
      check(
          profile,
          {.query_heads = 12, .groups = 4, .head_dim = 80, .rotary_dims = rotary_dims, .layout = layout, .tokens = 1});
    }
  }
}

TEST_F(RopeStoreDeviceTest, NormsQueriesAndKeysOnly) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, {.query_heads = 4,
                    .groups = 1,
                    .head_dim = 256,
                    .rotary_dims = 256,
                    .type = CacheType::kF16,
                    .norm = true,
                    .tokens = 1});
  }
  const KernelProfile profile = kernel_profile(device());
  check(profile, {.query_heads = 6,
                  .groups = 2,
                  .head_dim = 80,
                  .rotary_dims = 32,
                  .layout = RopeLayout::kHalfSplit,
                  .norm = true});
  check(profile, {.query_heads = 6,
                  .groups = 2,
                  .head_dim = 64,
                  .rotary_dims = 64,
                  .type = CacheType::kQ8_0,
                  .norm = true,
                  .tokens = 7});
  check(profile, {.query_heads = 6,
                  .groups = 2,
                  .head_dim = 64,
                  .rotary_dims = 64,
                  .type = CacheType::kQ4_0,
                  .norm = true,
                  .tokens = 7});
}

TEST_F(RopeStoreDeviceTest, CachesInSlicesAndSeparateBuffers) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, {.query_heads = 9,
                    .groups = 3,
                    .head_dim = 64,
                    .rotary_dims = 64,
                    .type = CacheType::kQ8_0,
                    .tokens = 7,
                    .groups_per_slice = 2});
    check(profile, {.query_heads = 12,
                    .groups = 4,
                    .head_dim = 64,
                    .rotary_dims = 64,
                    .groups_per_slice = 1,
                    .separate_buffers = true});
  }
}

// Values are stored as they are: the scale and every level must be those of ggml's reference quantisers.
TEST_F(RopeStoreDeviceTest, QuantisesAsGgml) {
  constexpr std::uint32_t kDim = 64, kTokens = 33;
  std::vector<float> rows = noise(std::size_t{kTokens} * kDim, 11);
  std::fill(rows.begin() + 32, rows.begin() + 64, 0.0f);
  for (const auto& [type, format] :
       {std::pair{CacheType::kQ8_0, WeightFormat::kQ8_0}, {CacheType::kQ4_0, WeightFormat::kQ4_0}}) {
    const KvCacheLayout layout{type, 1, kDim, kCapacity};
    Buffer& cache = arena_.buffer(layout.bytes(), "cache");
    std::vector<std::uint32_t> positions(kTokens);
    std::iota(positions.begin(), positions.end(), 0u);
    Buffer& v = upload_new(rows);
    Buffer& others = upload_new(rows);
    run(kernel_profile(device()), RopeStore{.q = {others, 0, kDim},
                                            .k = {others, 0, kDim},
                                            .v = {v, 0, kDim},
                                            .positions = upload_new(positions),
                                            .rope_table = others,
                                            .cache = {type, 1, kDim, kCapacity, {{cache, 0, layout}}},
                                            .query_heads = 1,
                                            .head_dim = kDim,
                                            .tokens = kTokens});
    const auto bytes = download_values<std::byte>(device(), cache, layout.bytes());
    for (std::uint32_t t = 0; t < kTokens; ++t) {
      const std::vector<float> got = reference::read_cache_row(layout, bytes, CacheRegion::kValues, 0, t);
      std::vector<std::byte> encoded(row_bytes(format, kDim));
      encode_row(format, std::span(rows).subspan(t * kDim, kDim), encoded);
      std::vector<float> expected(kDim);
      decode_row(format, encoded, expected);
      ASSERT_EQ(got, expected) << cache_type_name(type) << " token " << t;
    }
  }
}

TEST_F(RopeStoreDeviceTest, FirstAndLastPosition) {
  const KernelProfile profile = kernel_profile(device());
  check(profile, {.query_heads = 2,
                  .groups = 2,
                  .head_dim = 64,
                  .rotary_dims = 64,
                  .type = CacheType::kF16,
                  .tokens = 1,
                  .first_position = 0});
  check(profile, {.query_heads = 2,
                  .groups = 2,
                  .head_dim = 64,
                  .rotary_dims = 64,
                  .type = CacheType::kF16,
                  .tokens = 1,
                  .first_position = kCapacity - 1});
}

}  // namespace
}  // namespace regroup::test
