// The choice of the next token on the host, against a double-precision reference; the device is held against the host
// in sampling_test.cpp.
#include <cmath>

#include "runtime/ops/sampling_weight.h"
#include "runtime/selftest/reference/sampling.h"
#include "tests/ops/sampling_cases.h"

namespace regroup::test {
namespace {

TEST(SamplingHostTest, CandidatesEqualTheReference) {
  std::uint32_t compared = 0, near = 0;
  for (const std::uint32_t vocabulary : {7u, 101u, 2048u, 20000u}) {
    for (const Row kind : {Row::kNoise, Row::kTies, Row::kFlat}) {
      for (std::uint32_t seed = 0; seed < 3; ++seed) {
        const std::vector<float> row = make_row(kind, vocabulary, seed);
        const std::vector<double> exact(row.begin(), row.end());
        for (const SamplingSettings& settings : kSettings) {
          const auto expected = reference::candidates(exact, settings.top_k, settings.top_p, settings.min_p);
          // Weights are good to 1e-6 and rounded to 2^-30 of the largest.
          if (expected.margin < 3e-6) {
            ++near;
            continue;
          }
          ++compared;
          ASSERT_EQ(sampling_candidates(row, {}, settings), expected.ids)
              << "vocabulary " << vocabulary << " row " << static_cast<int>(kind) << " " << describe(settings);
        }
      }
    }
  }
  EXPECT_GT(compared, 6 * near);
}

TEST(SamplingHostTest, DrawsFollowTheDistribution) {
  constexpr std::uint32_t kDraws = 40000;
  const std::vector<float> row = noise(101, 78, 0.8f);
  const std::vector<double> exact(row.begin(), row.end());
  for (const SamplingSettings& base : kSettings) {
    const auto ids = reference::candidates(exact, base.top_k, base.top_p, base.min_p).ids;
    const auto probabilities = reference::probabilities(exact, ids, base.temperature);
    std::map<std::uint32_t, std::uint32_t> drawn;
    // Seeds and positions both have to make the draws independent.
    for (std::uint32_t i = 0; i < kDraws; ++i) {
      SamplingSettings settings = base;
      settings.seed = i / 200;
      ++drawn[sample_on_host(row, {}, i % 200, settings)];
    }
    std::uint32_t freedom = 0;
    const double found = chi_square(drawn, ids, probabilities, kDraws, freedom);
    EXPECT_LE(found, chi_square_limit(freedom)) << describe(base);
    for (const auto& [id, count] : drawn) EXPECT_TRUE(std::binary_search(ids.begin(), ids.end(), id)) << id;
  }
}

TEST(SamplingHostTest, PenalisesTheLastTokensOfTheSequence) {
  const std::vector<float> row = {1.0f, 3.0f, 2.9f, 2.0f, -1.0f};
  SamplingSettings settings{.repeat_penalty = 1.2f, .repeat_last = 2};
  const std::vector<std::uint32_t> sequence = {2, 1, 1};
  EXPECT_EQ(sample_on_host(row, sequence, 2, settings), 2u);  // 3.0 / 1.2 once, not twice: still above 2.0
  settings.repeat_last = 3;
  EXPECT_EQ(sample_on_host(row, sequence, 2, settings), 1u);
  settings.repeat_last = 0;
  EXPECT_EQ(sample_on_host(row, sequence, 2, settings), 1u);
}

TEST(SamplingHostTest, RandomWordsAreThoseOfThePaper) {
  // Known answers of Random123 (kat_vectors, philox4x32 10).
  EXPECT_EQ(random_word(0, 0), 0x6627e8d5u);
  EXPECT_NE(random_word(1, 0), random_word(0, 0));
  EXPECT_NE(random_word(std::uint64_t{1} << 32, 0), random_word(0, 0));
  EXPECT_NE(random_word(0, 1), random_word(0, 0));
}

TEST(SamplingHostTest, WeightsFollowTheExponential) {
  const float log2_e = 1.44269504f;
  EXPECT_EQ(logit_weight(3.0f, 3.0f, log2_e), 1u << 30);
  std::uint32_t before = 1u << 30;
  for (float distance = 0; distance < 25; distance += 0.01f) {
    const std::uint32_t weight = logit_weight(5.0f - distance, 5.0f, log2_e);
    const double exact = std::exp(static_cast<double>(5.0f - distance) - 5.0) * 0x1p30;
    EXPECT_NEAR(weight, exact, 0.51 + 4e-6 * exact) << distance;
    EXPECT_LE(weight, before);
    before = weight;
  }
  EXPECT_EQ(logit_weight(-3e38f, 3e38f, log2_e), 0u);
}

TEST(SamplingHostTest, RefusesSettingsThatMeanNothing) {
  const std::vector<float> row = {1.0f, 2.0f};
  for (const SamplingSettings& settings : {SamplingSettings{.temperature = kNan}, SamplingSettings{.top_p = kNan},
                                           SamplingSettings{.repeat_penalty = 0.0f}}) {
    try {
      sample_on_host(row, {}, 0, settings);
      ADD_FAILURE() << describe(settings);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage);
    }
  }
}

}  // namespace
}  // namespace regroup::test
