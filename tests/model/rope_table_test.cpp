// Rotary frequencies and tables against the published formulas, written out here once more in double, and against
// numbers that were worked out by hand.
#include "runtime/model/rope_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace regroup::test {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

double plain(double theta, std::uint32_t dims, std::uint32_t p) {
  return 1.0 / std::pow(theta, 2.0 * p / dims);
}

void expect_all(const std::vector<double>& actual, std::uint32_t planes, const auto& expected) {
  ASSERT_EQ(actual.size(), planes);
  for (std::uint32_t p = 0; p < planes; ++p) EXPECT_NEAR(actual[p] / expected(p), 1.0, 1e-12) << "plane " << p;
}

TEST(RopeFrequencies, Plain) {
  expect_all(rope_frequencies({}, 32), 16, [](std::uint32_t p) { return plain(10000, 32, p); });
  expect_all(rope_frequencies({.theta = 500000}, 128), 64, [](std::uint32_t p) { return plain(500000, 128, p); });
  // theta = 10000 and 8 dimensions: powers of ten.
  const auto powers = rope_frequencies({}, 8);
  for (int p = 0; p < 4; ++p) EXPECT_NEAR(powers[static_cast<std::size_t>(p)], std::pow(10.0, -p), 1e-15);
  EXPECT_TRUE(rope_frequencies({}, 0).empty());
}

TEST(RopeFrequencies, Linear) {
  expect_all(rope_frequencies({.scaling = RopeScaling::kLinear, .factor = 2.5}, 64), 32,
             [](std::uint32_t p) { return plain(10000, 64, p) / 2.5; });
}

TEST(RopeFrequencies, Llama3) {
  // The setting of Llama 3.1.
  const RopeConfig config{.theta = 500000,
                          .scaling = RopeScaling::kLlama3,
                          .factor = 8,
                          .original_context = 8192,
                          .low_frequency_factor = 1,
                          .high_frequency_factor = 4};
  int kept = 0, blended = 0, scaled = 0;
  expect_all(rope_frequencies(config, 128), 64, [&](std::uint32_t p) {
    const double f = plain(500000, 128, p);
    const double turns = 8192 * f / kTurn;  // full turns in the original context
    if (turns > 4) return ++kept, f;
    if (turns < 1) return ++scaled, f / 8;
    const double smooth = (turns - 1) / (4 - 1);
    return ++blended, f * (smooth + (1 - smooth) / 8);
  });
  // 8192 * 500000^(-p/64) / 2 pi passes 4 between p = 28 and 29, and 1 between p = 34 and 35.
  EXPECT_EQ(kept, 29);
  EXPECT_EQ(blended, 6);
  EXPECT_EQ(scaled, 29);
}

TEST(RopeFrequencies, Yarn) {
  const RopeConfig config{.scaling = RopeScaling::kYarn, .factor = 4, .original_context = 4096};
  // Planes that turn 32 times and once in 4096 positions, of 128 dimensions with theta 10000.
  const auto plane_of = [](double turns) { return 128 * std::log(4096 / (turns * kTurn)) / (2 * std::log(10000.0)); };
  EXPECT_NEAR(plane_of(32), 20.94, 0.01);
  EXPECT_NEAR(plane_of(1), 45.03, 0.01);
  expect_all(rope_frequencies(config, 128), 64, [](std::uint32_t p) {
    const double ramp = std::clamp((p - 20.0) / (46.0 - 20.0), 0.0, 1.0);  // rounded outwards
    const double f = plain(10000, 128, p);
    return f * (1 - ramp) + f / 4 * ramp;
  });
  RopeConfig exact = config;
  exact.truncate_range = false;
  expect_all(rope_frequencies(exact, 128), 64, [&](std::uint32_t p) {
    const double ramp = std::clamp((p - plane_of(32)) / (plane_of(1) - plane_of(32)), 0.0, 1.0);
    const double f = plain(10000, 128, p);
    return f * (1 - ramp) + f / 4 * ramp;
  });
}

TEST(RopeFrequencies, YarnWithoutARampDividesByNothing) {
  RopeConfig config{
      .scaling = RopeScaling::kYarn, .factor = 4, .original_context = 4096, .beta_fast = 8, .beta_slow = 8};
  for (const bool rounded : {false, true}) {
    config.truncate_range = rounded;
    for (const double f : rope_frequencies(config, 32)) EXPECT_TRUE(std::isfinite(f) && f > 0) << f;
  }
}

TEST(RopeFrequencies, DivisorsComeLast) {
  RopeConfig config{.scaling = RopeScaling::kLinear, .factor = 2};
  config.frequency_divisors = {1, 2, 4, 8};
  expect_all(rope_frequencies(config, 8), 4,
             [](std::uint32_t p) { return plain(10000, 8, p) / 2 / static_cast<double>(1u << p); });
}

TEST(RopeTable, HoldsCosinesAndSinesRoundedOnce) {
  const RopeConfig config{.theta = 10000, .attention_factor = 1.25};
  constexpr std::uint32_t kPositions = 3000, kDims = 32;
  const auto table = make_rope_table(config, kDims, kPositions);
  ASSERT_EQ(table.size(), std::size_t{kPositions} * kDims);
  for (const std::uint32_t position : {0u, 1u, 7u, 2999u}) {
    for (std::uint32_t p = 0; p < kDims / 2; ++p) {
      const double angle = position * plain(10000, kDims, p);
      const std::size_t at = std::size_t{position} * kDims + 2 * p;
      EXPECT_NEAR(table[at], 1.25 * std::cos(angle), 1.3e-7) << position << " " << p;
      EXPECT_NEAR(table[at + 1], 1.25 * std::sin(angle), 1.3e-7) << position << " " << p;
    }
  }
  EXPECT_EQ(table[0], 1.25f);
  EXPECT_EQ(table[1], 0.0f);
  // Position 1, plane 0: one radian.
  EXPECT_NEAR(table[kDims], 1.25 * 0.5403023058681398, 1e-7);
  EXPECT_NEAR(table[kDims + 1], 1.25 * 0.8414709848078965, 1e-7);
}

}  // namespace
}  // namespace regroup::test
