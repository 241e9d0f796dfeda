// Pooling of weights and caches. Weights: the device equals the host bit by bit, the host's mean equals a double mean
// within one unit in the last place. Caches: within the step of the target's type of the pooled decoded values.
#include "runtime/ops/pooling.h"

#include <bit>

#include "runtime/selftest/reference/kv_cache.h"
#include "tests/formats/samples.h"
#include "tests/ops/profile_test.h"
#include "tests/ops/sliced_matrix.h"

namespace regroup::test {
namespace {

using reference::CacheRegion;

std::vector<PoolTerm> mean_terms(std::uint32_t heads, std::uint32_t groups) {
  std::vector<PoolTerm> terms;
  const std::uint32_t each = heads / groups;
  for (std::uint32_t h = 0; h < heads; ++h) terms.push_back({h / each, h, 1.0f / static_cast<float>(each)});
  return terms;
}

// Unequal groups in an unusual order with unequal factors; group 2 is one head as it is.
std::vector<PoolTerm> odd_terms() {
  return {{0, 5, 0.25f}, {1, 1, 0.7f}, {0, 0, 1.5f}, {2, 3, 1.0f}, {1, 4, 0.3f}, {0, 2, -0.1f}, {1, 1, 0.1f}};
}

TEST(PoolRowsOnHost, MeanIsNumpysWithinOneUlp) {
  constexpr std::uint32_t kDim = 8, kColumns = 40;
  for (const std::uint32_t each : {1u, 2u, 3u, 4u, 5u, 7u, 9u}) {
    const std::uint32_t heads = 2 * each;
    const std::vector<float> source = noise(std::size_t{heads} * kDim * kColumns, each);
    std::vector<float> out(2 * kDim * kColumns);
    pool_rows_on_host(mean_terms(heads, 2), 2, kDim, kColumns, source, out);
    for (std::size_t i = 0; i < out.size(); ++i) {
      // numpy adds along the heads in float and divides.
      const std::size_t group = i / (kDim * kColumns), at = i % (kDim * kColumns);
      float sum = 0;
      for (std::uint32_t h = 0; h < each; ++h) sum += source[(group * each + h) * kDim * kColumns + at];
      const float mean = sum / static_cast<float>(each);
      const int distance = std::abs(std::bit_cast<int>(out[i]) - std::bit_cast<int>(mean));
      ASSERT_LE(distance, each == 1 || each == 2 || each == 4 ? 0 : 1) << each << " heads, element " << i;
    }
  }
}

TEST(PoolRowsOnHost, AddsWeightedHeadsInOrder) {
  const std::vector<float> source = {1,    2,    10,   20,   100,  200,
                                     1000, 2000, 1e4f, 2e4f, 1e5f, 2e5f};  // six heads of one row, two columns
  std::vector<float> out(6);
  pool_rows_on_host(odd_terms(), 3, 1, 2, source, out);
  const auto sum3 = [](float a, float b, float c) { return (a + b) + c; };
  EXPECT_EQ(out[0], sum3(0.25f * 1e5f, 1.5f * 1, -0.1f * 100));
  EXPECT_EQ(out[3], sum3(0.7f * 20, 0.3f * 2e4f, 0.1f * 20));
  EXPECT_EQ(out[4], 1000.0f);
}

TEST(PoolRowsOnHost, RefusesIncompleteTerms) {
  std::vector<float> out(2), source(2);
  EXPECT_THROW(pool_rows_on_host(std::vector<PoolTerm>{{0, 0, 1.0f}}, 2, 1, 1, source, out), std::logic_error);
  EXPECT_THROW(encode_pool_terms(std::vector<PoolTerm>{{2, 0, 1.0f}}, 2), std::logic_error);
}

class PoolWeightsDeviceTest : public ProfileTest {
 protected:
  void check(const KernelProfile& profile, WeightFormat format, std::uint32_t heads, std::uint32_t head_dim,
             std::uint32_t columns, const std::vector<PoolTerm>& terms, std::uint32_t groups,
             std::uint32_t panels_per_slice = 1000) {
    SCOPED_TRACE(fmt::format("{} {} {} heads of {} x {} to {}", profile.name, format_info(format).name, heads, head_dim,
                             columns, groups));
    const RandomMatrix rows(format, heads * head_dim, columns, columns + heads);
    const WeightMatrix source = sliced_matrix(device(), arena_, {format, heads * head_dim, columns, profile.panel_rows},
                                              rows, panels_per_slice);
    const PanelLayout target_layout{WeightFormat::kF32, groups * head_dim, columns, profile.panel_rows};
    const RandomMatrix before(WeightFormat::kF32, groups * head_dim, columns, 99);
    const WeightMatrix target = sliced_matrix(device(), arena_, target_layout, before, panels_per_slice);
    run(profile, PoolWeights{.source = source,
                             .target = target,
                             .head_dim = head_dim,
                             .terms = terms,
                             .terms_buffer = upload_new(encode_pool_terms(terms, groups))});

    std::vector<float> decoded;
    for (std::uint32_t r = 0; r < heads * head_dim; ++r) {
      const std::vector<float> row = rows.decoded(r);
      decoded.insert(decoded.end(), row.begin(), row.end());
    }
    std::vector<float> expected(std::size_t{groups} * head_dim * columns);
    pool_rows_on_host(terms, groups, head_dim, columns, decoded, expected);
    for (const WeightSlice& slice : target.slices) {
      const auto bytes = download_values<std::byte>(device(), slice.panels, slice.panels.size_bytes);
      const auto panel = std::span(bytes).subspan(slice.skip_panels * target_layout.panel_bytes());
      const PanelLayout layout{WeightFormat::kF32, slice.rows, columns, profile.panel_rows};
      for (std::uint32_t r = 0; r < slice.rows; ++r) {
        for (std::uint32_t k = 0; k < (columns + 31) / 32 * 32; ++k) {
          const float want = k < columns ? expected[std::size_t{slice.first_row + r} * columns + k] : 0.0f;
          ASSERT_EQ(std::bit_cast<std::uint32_t>(packed_weight(layout, panel, r, k)),
                    std::bit_cast<std::uint32_t>(want))
              << "row " << slice.first_row + r << " column " << k;
        }
      }
    }
  }
};

TEST_F(PoolWeightsDeviceTest, EqualsTheHostInEveryFormat) {
  const KernelProfile profile = kernel_profile(device());
  for (const WeightFormat format : every_format()) check(profile, format, 6, 32, 256, mean_terms(6, 2), 2);
}

TEST_F(PoolWeightsDeviceTest, EqualsTheHostInEveryProfileAndPlan) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, WeightFormat::kQ8_0, 9, 64, 96, mean_terms(9, 3), 3);
    check(profile, WeightFormat::kF32, 6, 80, 65, odd_terms(), 3);
    check(profile, WeightFormat::kF32, 4, 20, 3, mean_terms(4, 1), 1);
    check(profile, WeightFormat::kF32, 4, 20, 33, mean_terms(4, 4), 4);
  }
}

TEST_F(PoolWeightsDeviceTest, EqualsTheHostAcrossSlices) {
  for (const KernelProfile& profile : profiles()) {
    const std::uint32_t panels = profile.panel_rows == 1 ? 50 : std::max(1u, 48 / profile.panel_rows);
    check(profile, WeightFormat::kQ4_1, 6, 32, 64, odd_terms(), 3, panels);
    check(profile, WeightFormat::kF32, 12, 16, 40, mean_terms(12, 4), 4, panels);
  }
}

class PoolCacheDeviceTest : public ProfileTest {
 protected:
  struct Cache {
    KvCacheLayer layer;
    std::vector<std::vector<std::byte>> bytes;  // of each slice, as uploaded

    std::vector<float> row(CacheRegion region, std::uint32_t group, std::uint32_t position) const {
      for (std::size_t s = 0; s < layer.slices.size(); ++s) {
        const KvCacheSlice& slice = layer.slices[s];
        if (group - slice.first_group >= slice.layout.groups) continue;
        return reference::read_cache_row(slice.layout, bytes[s], region, group - slice.first_group, position);
      }
      return {};
    }
  };

  Cache random_cache(CacheType type, std::uint32_t groups, std::uint32_t head_dim, std::uint32_t capacity,
                     std::uint32_t groups_per_slice) {
    Cache cache{{type, groups, head_dim, capacity, {}}, {}};
    for (std::uint32_t first = 0; first < groups; first += groups_per_slice) {
      const KvCacheLayout layout{type, std::min(groups_per_slice, groups - first), head_dim, capacity};
      std::vector<std::byte> bytes(layout.bytes());
      for (std::uint32_t g = 0; g < layout.groups; ++g) {
        for (std::uint32_t p = 0; p < capacity; ++p) {
          const std::uint32_t seed = 1000 * (first + g) + 2 * p;
          reference::write_cache_row(layout, bytes, CacheRegion::kKeys, g, p, noise(head_dim, seed));
          reference::write_cache_row(layout, bytes, CacheRegion::kValues, g, p, noise(head_dim, seed + 1));
        }
      }
      Buffer& buffer = upload_new<std::byte>(bytes);
      cache.layer.slices.push_back({buffer, first, layout});
      cache.bytes.push_back(std::move(bytes));
    }
    return cache;
  }
  Buffer& upload_terms(const std::vector<PoolTerm>& terms, std::uint32_t groups) {
    return upload_new(encode_pool_terms(terms, groups));
  }
  using ProfileTest::upload_new;

  static double step(CacheType type, double value, double largest) {
    if (type == CacheType::kF32) return 1e-6 * largest;
    if (type == CacheType::kF16) return std::fabs(value) / 2048 * 1.001 + 1e-5;
    if (type == CacheType::kQ8_0) return largest / 127 * 0.5 + largest / 2048;
    return largest / 8 + largest / 2048;
  }

  void check(const KernelProfile& profile, CacheType from, CacheType to, std::uint32_t heads, std::uint32_t head_dim,
             std::uint32_t count, const std::vector<PoolTerm>& terms, std::uint32_t groups,
             std::uint32_t source_slice = 99, std::uint32_t target_slice = 99, double roundings = 1) {
    SCOPED_TRACE(fmt::format("{} {} to {}, {} heads of {} to {}, {} positions", profile.name, cache_type_name(from),
                             cache_type_name(to), heads, head_dim, groups, count));
    const Cache source = random_cache(from, heads, head_dim, 64, source_slice);
    Cache target = random_cache(to, groups, head_dim, 96, target_slice);
    const Cache before = target;
    run(profile, PoolCache{.source = source.layer,
                           .target = target.layer,
                           .count = count,
                           .terms = terms,
                           .terms_buffer = upload_terms(terms, groups)});
    for (std::size_t s = 0; s < target.bytes.size(); ++s) {
      target.bytes[s] = download_values<std::byte>(device(), target.layer.slices[s].buffer, target.bytes[s].size());
    }
    for (const CacheRegion region : {CacheRegion::kKeys, CacheRegion::kValues}) {
      for (std::uint32_t g = 0; g < groups; ++g) {
        for (std::uint32_t p = 0; p < 96; ++p) {
          const std::vector<float> got = target.row(region, g, p);
          if (p >= count) {
            ASSERT_EQ(got, before.row(region, g, p)) << "position " << p << " was not to be touched";
            continue;
          }
          std::vector<double> want(head_dim);
          double largest = 0;
          for (const PoolTerm& term : terms) {
            if (term.target != g) continue;
            const std::vector<float> head = source.row(region, term.source, p);
            for (std::uint32_t i = 0; i < head_dim; ++i) want[i] += static_cast<double>(term.factor) * head[i];
            // Partial sums of a mean are not yet divided.
            for (std::uint32_t i = 0; i < head_dim && roundings > 1; ++i)
              largest = std::max<double>(largest, std::fabs(head[i]));
          }
          for (const double value : want) largest = std::max(largest, std::fabs(value));
          for (std::uint32_t i = 0; i < head_dim; ++i) {
            ASSERT_NEAR(got[i], want[i], roundings * step(to, roundings > 1 ? largest : want[i], largest))
                << "group " << g << " position " << p << " element " << i;
          }
        }
      }
    }
  }
};

constexpr CacheType kAllTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0};

TEST_F(PoolCacheDeviceTest, EveryPairOfTypes) {
  const KernelProfile profile = kernel_profile(device());
  for (const CacheType from : kAllTypes) {
    for (const CacheType to : kAllTypes) check(profile, from, to, 6, 96, 7, mean_terms(6, 2), 2);
  }
}

TEST_F(PoolCacheDeviceTest, EveryProfileAndPlan) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, CacheType::kF16, CacheType::kF16, 9, 64, 33, mean_terms(9, 3), 3);
    check(profile, CacheType::kQ8_0, CacheType::kQ8_0, 6, 32, 33, odd_terms(), 3);
    check(profile, CacheType::kF32, CacheType::kF32, 6, 80, 1, odd_terms(), 3);
  }
}

TEST_F(PoolCacheDeviceTest, SlicesOfSourceAndTarget) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, CacheType::kF32, CacheType::kF32, 12, 64, 7, mean_terms(12, 4), 4, 5, 3);
    check(profile, CacheType::kF16, CacheType::kF16, 12, 64, 7, mean_terms(12, 1), 1, 5, 1, 4);
    check(profile, CacheType::kQ8_0, CacheType::kQ8_0, 6, 32, 7, mean_terms(6, 2), 2, 2, 1, 4);
  }
}

}  // namespace
}  // namespace regroup::test
