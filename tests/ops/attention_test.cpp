// Grouped-query attention against the double-precision reference: every profile that the driver can run, every cache
// type.
#include "runtime/ops/attention.h"

#include <cmath>
#include <memory>
#include <random>

#include "runtime/core/error.h"
#include "runtime/selftest/reference/attention.h"
#include "runtime/selftest/reference/kv_cache.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

using reference::AttentionShape;
using reference::CacheRegion;

struct Problem {
  AttentionShape shape;
  CacheType type = CacheType::kF16;
  std::uint32_t splits = 0;
  std::uint32_t groups_per_slice = 0;  // 0: one slice
  float outliers = 1;                  // factor of every 50th query element
  std::uint32_t longest_context = 0;   // 0: as long as needed
};

std::string describe(const Problem& problem, std::string_view profile) {
  const AttentionShape& s = problem.shape;
  return fmt::format("{} {} H{} G{} D{} tokens {} at {} window {} cap {} splits {}", profile,
                     cache_type_name(problem.type), s.query_heads, s.groups, s.head_dim, s.tokens, s.first_position,
                     s.window, s.soft_cap, problem.splits);
}

AttentionShape shape(std::uint32_t heads, std::uint32_t groups, std::uint32_t dim, std::uint32_t first,
                     std::uint32_t tokens = 1) {
  return {.query_heads = heads,
          .groups = groups,
          .head_dim = dim,
          .tokens = tokens,
          .first_position = first,
          .scale = 1.0 / std::sqrt(double{1} * dim)};
}

std::vector<float> noise(std::size_t count, std::uint32_t seed, float spread) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> values(count);
  for (float& value : values) value = normal(random);
  return values;
}

// A cache with random rows up to `length`, on the device and decoded; rows past it hold NaNs where the type has any.
class FilledCache {
 public:
  FilledCache(Device& device, Arena& arena, const Problem& problem, std::uint32_t length) {
    const AttentionShape& s = problem.shape;
    const std::uint32_t capacity = (length + kPositionStep - 1) / kPositionStep * kPositionStep;
    layer_ = {.type = problem.type, .groups = s.groups, .head_dim = s.head_dim, .capacity = capacity, .slices = {}};
    k_ = noise(std::size_t{s.groups} * length * s.head_dim, 1, 1.5f);
    v_ = noise(std::size_t{s.groups} * length * s.head_dim, 2, 1.0f);
    const std::uint32_t step = problem.groups_per_slice == 0 ? s.groups : problem.groups_per_slice;
    for (std::uint32_t first = 0; first < s.groups; first += step) {
      const KvCacheLayout layout = {.type = problem.type,
                                    .groups = std::min(step, s.groups - first),
                                    .head_dim = s.head_dim,
                                    .capacity = capacity};
      std::vector<std::byte> bytes(layout.bytes(), std::byte{0xff});
      for (std::uint32_t g = 0; g < layout.groups; ++g) {
        for (std::uint32_t p = 0; p < length; ++p) {
          store(layout, bytes, CacheRegion::kKeys, g, p, row(k_, first + g, p, length));
          store(layout, bytes, CacheRegion::kValues, g, p, row(v_, first + g, p, length));
        }
      }
      Buffer& buffer = arena.buffer(layout.bytes(), "cache");
      upload(device, buffer, bytes);
      layer_.slices.push_back({.buffer = buffer, .first_group = first, .layout = layout});
    }
  }
  const KvCacheLayer& layer() const { return layer_; }
  std::span<const float> k() const { return k_; }
  std::span<const float> v() const { return v_; }

 private:
  std::span<float> row(std::vector<float>& values, std::uint32_t group, std::uint32_t position,
                       std::uint32_t length) const {
    return std::span(values).subspan((std::size_t{group} * length + position) * layer_.head_dim, layer_.head_dim);
  }
  // Writes the row and keeps what the cache made of it.
  static void store(const KvCacheLayout& layout, std::span<std::byte> bytes, CacheRegion region, std::uint32_t group,
                    std::uint32_t position, std::span<float> values) {
    reference::write_cache_row(layout, bytes, region, group, position, values);
    const std::vector<float> kept = reference::read_cache_row(layout, bytes, region, group, position);
    std::copy(kept.begin(), kept.end(), values.begin());
  }

  KvCacheLayer layer_;
  std::vector<float> k_, v_;
};

// q and out lie in wider rows, away from their buffer's start.
constexpr std::uint32_t kOffset = 8, kGap = 12;

class AttentionTest : public DeviceTest {
 protected:
  static std::vector<float> queries(const Problem& problem) {
    const AttentionShape& s = problem.shape;
    std::vector<float> q = noise(std::size_t{s.tokens} * s.query_heads * s.head_dim, 3, 1.0f);
    for (std::size_t i = 0; i < q.size(); i += 50) q[i] *= problem.outliers;
    return q;
  }

  std::vector<float> run(Device& on, const KernelProfile& profile, const Problem& problem, Arena& arena,
                         const KvCacheLayer& layer, std::span<const float> q) {
    const AttentionShape& s = problem.shape;
    const std::uint32_t width = s.query_heads * s.head_dim, stride = width + kGap;
    Buffer& q_buffer = arena.buffer((kOffset + std::uint64_t{s.tokens} * stride) * 4, "q");
    Buffer& out_buffer = arena.buffer((kOffset + std::uint64_t{s.tokens} * stride) * 4, "out");
    Buffer& positions = arena.buffer(std::uint64_t{s.tokens} * 4, "positions");
    Buffer& scratch =
        arena.buffer(attention_scratch_bytes(on, profile, s.query_heads, s.head_dim, s.tokens), "scratch");
    std::vector<float> q_rows(q_buffer.size_bytes() / 4, NAN), untouched(out_buffer.size_bytes() / 4, -77.0f);
    std::vector<std::uint32_t> at(s.tokens);
    for (std::uint32_t t = 0; t < s.tokens; ++t) {
      std::copy_n(q.begin() + t * width, width, q_rows.begin() + kOffset + t * stride);
      at[t] = s.first_position + t;
    }
    upload_values<float>(on, q_buffer, q_rows);
    upload_values<float>(on, out_buffer, untouched);
    upload_values<std::uint32_t>(on, positions, at);
    CommandList list(on);
    record(list, profile,
           Attention{
               .q = {q_buffer, kOffset, stride},
               .out = {out_buffer, kOffset, stride},
               .positions = positions,
               .cache = layer,
               .query_heads = s.query_heads,
               .head_dim = s.head_dim,
               .tokens = s.tokens,
               .scale = static_cast<float>(s.scale),
               .soft_cap = static_cast<float>(s.soft_cap),
               .window = s.window,
               .longest_context = problem.longest_context != 0 ? problem.longest_context : s.first_position + s.tokens,
               .scratch = scratch,
               .splits = problem.splits});
    list.run();
    const std::vector<float> rows = download_values<float>(on, out_buffer, out_buffer.size_bytes() / 4);
    std::vector<float> out(std::size_t{s.tokens} * width);
    for (std::uint32_t t = 0; t < s.tokens; ++t)
      std::copy_n(rows.begin() + kOffset + t * stride, width, out.begin() + t * width);
    for (std::uint32_t i = 0; i < kOffset; ++i) EXPECT_EQ(rows[i], -77.0f);
    for (std::uint32_t i = kOffset + width; i < kOffset + stride; ++i) EXPECT_EQ(rows[i], -77.0f) << i;
    return out;
  }

  // Absolute tolerance: values are of order 1 and weights sum to 1; scores of size S carry a relative error of S *
  // 2^-22 or so.
  static void expect_near(std::span<const float> out, std::span<const double> expected, double tolerance,
                          const std::string& what) {
    double worst = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double error = std::isfinite(out[i]) ? std::fabs(out[i] - expected[i]) : 1e9;
      if (error > worst) {
        worst = error;
        at = i;
      }
    }
    EXPECT_LE(worst, tolerance) << what << ": element " << at << " is " << out[at] << ", not " << expected[at];
  }

  // Every profile that can run here; "cpu-plain" and "gpu-shared" share their kernels but not their splits.
  void check(const Problem& problem, double tolerance = 2e-5) {
    Arena fill_arena(device(), MemoryUse::kDevice, "cache");
    const FilledCache cache(device(), fill_arena, problem, problem.shape.first_position + problem.shape.tokens);
    const std::vector<float> q = queries(problem);
    const std::vector<double> expected = reference::attention(problem.shape, q, cache.k(), cache.v());
    for (const KernelProfile& profile : profiles()) {
      Arena arena(device(), MemoryUse::kDevice, "test");
      expect_near(run(device(), profile, problem, arena, cache.layer(), q), expected, tolerance,
                  describe(problem, profile.name));
    }
  }

  std::vector<KernelProfile> profiles() {
    std::vector<KernelProfile> usable;
    for (const char* name : {"cpu-texel16", "cpu-texel8", "cpu-ssbo4", "cpu-plain", "gpu-subgroup", "gpu-shared"}) {
      try {
        usable.push_back(kernel_profile_named(device(), name));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kUsage);
      }
    }
    return usable;
  }
};

constexpr CacheType kAllTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0};

TEST_F(AttentionTest, DecodesEveryGrouping) {
  for (const auto& [heads, groups] :
       {std::pair{9u, 3u}, {14u, 2u}, {12u, 4u}, {6u, 2u}, {8u, 8u}, {8u, 1u}, {32u, 4u}, {11u, 1u}}) {
    check({.shape = shape(heads, groups, 64, 76)});
  }
}

TEST_F(AttentionTest, DecodesEveryHeadDim) {
  for (const std::uint32_t dim : {32u, 80u, 96u, 112u, 128u, 256u}) check({.shape = shape(6, 2, dim, 76)});
  for (const std::uint32_t dim : {4u, 20u, 64u, 256u}) check({.shape = shape(6, 2, dim, 40), .type = CacheType::kF32});
}

TEST_F(AttentionTest, DecodesEveryCacheType) {
  for (const CacheType type : kAllTypes) {
    for (const std::uint32_t dim : {32u, 64u, 96u, 128u, 256u}) check({.shape = shape(6, 2, dim, 50), .type = type});
  }
}

TEST_F(AttentionTest, DecodesEveryLength) {
  for (const CacheType type : {CacheType::kF16, CacheType::kQ4_0}) {
    for (const std::uint32_t length : {1u, 2u, 31u, 33u, 65u, 257u, 1000u}) {
      for (const std::uint32_t splits : {1u, 3u})
        check({.shape = shape(9, 3, 64, length - 1), .type = type, .splits = splits});
    }
  }
}

TEST_F(AttentionTest, DecodesWithAWindow) {
  for (const std::uint32_t window : {1u, 8u, 33u, 100u, 5000u}) {
    for (const std::uint32_t splits : {1u, 2u}) {
      Problem problem = {.shape = shape(6, 2, 64, 270), .splits = splits};
      problem.shape.window = window;
      check(problem);
    }
  }
}

TEST_F(AttentionTest, DecodesWithASoftCap) {
  Problem problem = {.shape = shape(6, 2, 64, 90)};
  for (const double cap : {0.5, 5.0, 50.0}) {
    problem.shape.soft_cap = cap;
    problem.outliers = 1;
    check(problem, 4e-5);
    problem.outliers = 300;  // far into saturation
    check(problem, 4e-5);
  }
}

TEST_F(AttentionTest, SurvivesLargeScores) {
  // Scores reach thousands: an exponential without the maximum taken off would overflow, and one score dominates.
  for (const CacheType type : kAllTypes) {
    check({.shape = shape(6, 2, 64, 200), .type = type, .outliers = 1000}, 2e-3);
    check({.shape = shape(6, 2, 64, 17, 24), .type = type, .outliers = 1000}, 2e-3);
  }
}

TEST_F(AttentionTest, ReadsACacheInSlices) {
  for (const CacheType type : kAllTypes) {
    check({.shape = shape(15, 5, 64, 70), .type = type, .splits = 2, .groups_per_slice = 2});
    check({.shape = shape(15, 5, 32, 12, 20), .type = type, .groups_per_slice = 3});
  }
}

TEST_F(AttentionTest, WalksLongContexts) {
  // lavapipe silently ends an invocation after 65535 loop trips: with the one split asked for, some of this
  // context would go missing.
  check({.shape = shape(2, 1, 32, 599999), .type = CacheType::kQ4_0, .splits = 1}, 4e-5);
  check({.shape = shape(1, 1, 32, 299990, 3), .type = CacheType::kQ4_0, .splits = 1}, 4e-5);
}

TEST_F(AttentionTest, TakesRecordingsForLongerContexts) {
  // The recording is made for 256 positions, submitted at 3: some splits find nothing to do.
  Problem problem = {.shape = shape(6, 2, 64, 2), .splits = 5};
  Arena arena(device(), MemoryUse::kDevice, "test");
  const FilledCache cache(device(), arena, problem, 256);
  problem.longest_context = 256;
  const std::vector<float> q = queries(problem);
  const std::vector<double> expected = reference::attention(problem.shape, q, cache.k(), cache.v());
  for (const KernelProfile& profile : profiles()) {
    expect_near(run(device(), profile, problem, arena, cache.layer(), q), expected, 2e-5,
                describe(problem, profile.name));
  }
}

TEST_F(AttentionTest, PrefillsEveryGrouping) {
  for (const auto& [heads, groups] : {std::pair{9u, 3u}, {14u, 2u}, {12u, 4u}, {8u, 8u}, {8u, 1u}, {32u, 4u}}) {
    check({.shape = shape(heads, groups, 64, 0, 41)});
  }
}

TEST_F(AttentionTest, PrefillsEveryCacheTypeAfterEarlierChunks) {
  for (const CacheType type : kAllTypes) {
    for (const std::uint32_t first : {0u, 1u, 67u}) {
      for (const std::uint32_t tokens : {2u, 7u, 33u}) check({.shape = shape(6, 2, 64, first, tokens), .type = type});
    }
    check({.shape = shape(4, 2, 128, 30, 9), .type = type, .splits = 3});
  }
  for (const std::uint32_t dim : {80u, 96u, 256u}) check({.shape = shape(4, 2, dim, 5, 19)});
}

TEST_F(AttentionTest, PrefillsWithAWindowAndASoftCap) {
  for (const std::uint32_t window : {1u, 9u, 40u}) {
    Problem problem = {.shape = shape(6, 2, 64, 30, 50)};
    problem.shape.window = window;
    problem.shape.soft_cap = 20;
    check(problem, 4e-5);
  }
}

TEST_F(AttentionTest, PrefillAtOnceIsTokenByToken) {
  const Problem whole = {.shape = shape(9, 3, 64, 0, 37)};
  Arena arena(device(), MemoryUse::kDevice, "test");
  const FilledCache cache(device(), arena, whole, 37);
  const std::vector<float> q = queries(whole);
  const std::uint32_t width = whole.shape.query_heads * whole.shape.head_dim;
  for (const KernelProfile& profile : profiles()) {
    const std::vector<float> at_once = run(device(), profile, whole, arena, cache.layer(), q);
    for (std::uint32_t t = 0; t < whole.shape.tokens; ++t) {
      const Problem one = {.shape = shape(9, 3, 64, t)};
      const std::vector<float> alone =
          run(device(), profile, one, arena, cache.layer(), std::span(q).subspan(t * width, width));
      const std::vector<double> expected(alone.begin(), alone.end());
      expect_near(std::span(at_once).subspan(t * width, width), expected, 2e-6, describe(one, profile.name));
    }
  }
}

TEST_F(AttentionTest, SharingHeadsIsRepeatingThem) {
  // GQA with 2 groups against MHA whose 6 key/value heads repeat each of them three times.
  Problem grouped = {.shape = shape(6, 2, 64, 99)};
  Problem repeated = {.shape = shape(6, 6, 64, 99)};
  Arena arena(device(), MemoryUse::kDevice, "test");
  const FilledCache cache(device(), arena, grouped, 100);
  KvCacheLayer wide = cache.layer();
  wide.groups = 6;
  wide.slices.clear();
  const KvCacheLayout& narrow = cache.layer().slices[0].layout;
  const std::uint64_t head_bytes = std::uint64_t{narrow.capacity} * narrow.value_row_bytes();
  const std::vector<std::byte> from =
      download_values<std::byte>(device(), cache.layer().slices[0].buffer, narrow.bytes());
  const KvCacheLayout layout = {.type = narrow.type, .groups = 6, .head_dim = 64, .capacity = narrow.capacity};
  std::vector<std::byte> to(layout.bytes());
  for (std::uint32_t h = 0; h < 6; ++h) {
    for (const auto& [source, target] :
         {std::pair{std::uint64_t{0}, std::uint64_t{0}}, {narrow.v_offset(), layout.v_offset()}}) {
      std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(source + h / 3 * head_bytes), head_bytes,
                  to.begin() + static_cast<std::ptrdiff_t>(target + h * head_bytes));
    }
  }
  Buffer& buffer = arena.buffer(layout.bytes(), "repeated");
  upload(device(), buffer, to);
  wide.slices.push_back({.buffer = buffer, .first_group = 0, .layout = layout});
  const std::vector<float> q = queries(grouped);
  for (const KernelProfile& profile : profiles()) {
    const std::vector<float> shared = run(device(), profile, grouped, arena, cache.layer(), q);
    const std::vector<float> plain = run(device(), profile, repeated, arena, wide, q);
    expect_near(shared, std::vector<double>(plain.begin(), plain.end()), 2e-6, describe(grouped, profile.name));
  }
}

TEST_F(AttentionTest, RunsOnTheMinimumDevice) {
  Device& minimum = shared_device("minimum");
  const KernelProfile profile = kernel_profile(minimum);
  for (const std::uint32_t tokens : {1u, 10u}) {
    const Problem problem = {.shape = shape(9, 3, 64, 76, tokens)};
    Arena arena(minimum, MemoryUse::kDevice, "test");
    const FilledCache cache(minimum, arena, problem, 76 + tokens);
    const std::vector<float> q = queries(problem);
    const std::vector<double> expected = reference::attention(problem.shape, q, cache.k(), cache.v());
    expect_near(run(minimum, profile, problem, arena, cache.layer(), q), expected, 2e-5,
                describe(problem, profile.name));
  }
}

TEST_F(AttentionTest, CutsLongPrefillsIntoDispatches) {
  // A budget of 1 ms forces several dispatches; the result must not show it.
  const Problem problem = {.shape = shape(8, 2, 64, 200, 150)};
  DeviceOptions options;
  options.max_submit_ms = 1;
  const std::unique_ptr<Device> hurried = Device::open(shared_instance(), options);
  Arena arena(*hurried, MemoryUse::kDevice, "test");
  const FilledCache cache(*hurried, arena, problem, 350);
  const std::vector<float> q = queries(problem);
  const std::vector<double> expected = reference::attention(problem.shape, q, cache.k(), cache.v());
  const KernelProfile profile = kernel_profile(*hurried);
  expect_near(run(*hurried, profile, problem, arena, cache.layer(), q), expected, 2e-5,
              describe(problem, profile.name));
}

TEST_F(AttentionTest, RefusesShapesThatDoNotFit) {
  Arena arena(device(), MemoryUse::kDevice, "test");
  Problem problem = {.shape = shape(6, 2, 64, 10)};
  const FilledCache cache(device(), arena, problem, 11);
  const std::vector<float> q = queries(problem);
  const KernelProfile profile = kernel_profile(device());
  Problem uneven = problem;
  uneven.shape.query_heads = 7;
  EXPECT_THROW(run(device(), profile, uneven, arena, cache.layer(), queries(uneven)), std::logic_error);
  Problem beyond = problem;
  beyond.longest_context = 33;
  EXPECT_THROW(run(device(), profile, beyond, arena, cache.layer(), q), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
