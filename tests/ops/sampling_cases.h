// Settings, rows of logits and the chi-square statistic that the tests of sampling share.
#pragma once

#include <limits>
#include <map>
#include <string>

#include "runtime/ops/sampling.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Each filter alone, all together, and the edges of each.
inline const SamplingSettings kSettings[] = {
    {.temperature = 1.0f, .seed = 1},
    {.temperature = 0.7f, .top_k = 1, .seed = 2},
    {.temperature = 1.3f, .top_k = 40, .seed = 0x123456789abcdefu},
    {.temperature = 0.9f, .top_p = 0.9f, .seed = 4},
    {.temperature = 0.9f, .top_p = 0.0f, .seed = 5},
    {.temperature = 1.1f, .min_p = 0.05f, .seed = 6},
    {.temperature = 1.0f, .top_k = 1000000, .top_p = 0.5f, .seed = 7},
    {.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f, .seed = 8},
    {.temperature = 2.0f, .top_k = 5, .top_p = 0.6f, .seed = 9},
    {.temperature = 5.0f, .top_k = 3000, .min_p = 0.001f, .seed = 10},
    {.temperature = 1e-4f, .top_p = 0.99f, .min_p = 0.02f, .seed = 11},
};

inline std::string describe(const SamplingSettings& settings) {
  return fmt::format("temperature {} top-k {} top-p {} min-p {} penalty {}", settings.temperature, settings.top_k,
                     settings.top_p, settings.min_p, settings.repeat_penalty);
}

// Rows of different shapes: noise as models have it, with equal values, all equal.
enum class Row { kNoise, kTies, kFlat };
inline std::vector<float> make_row(Row kind, std::uint32_t vocabulary, std::uint32_t seed) {
  std::vector<float> row = noise(vocabulary, seed, 2.0f);
  if (kind == Row::kTies) {
    for (float& logit : row) logit = std::clamp(std::round(logit), -4.0f, 4.0f);
  }
  if (kind == Row::kFlat) std::fill(row.begin(), row.end(), -0.75f);
  return row;
}

// Sum over the candidates of (drawn - expected)^2 / expected, rare candidates taken together.
inline double chi_square(const std::map<std::uint32_t, std::uint32_t>& drawn, std::span<const std::uint32_t> ids,
                         std::span<const double> probabilities, double draws, std::uint32_t& freedom) {
  double sum = 0, rare_expected = 0, rare_drawn = 0;
  freedom = 0;
  const auto add = [&](double expected, double count) {
    sum += (count - expected) * (count - expected) / expected;
    ++freedom;
  };
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto found = drawn.find(ids[i]);
    const double count = found == drawn.end() ? 0 : found->second;
    if (probabilities[i] * draws >= 5) {
      add(probabilities[i] * draws, count);
    } else {
      rare_expected += probabilities[i] * draws;
      rare_drawn += count;
    }
  }
  if (rare_expected > 0) add(std::max(rare_expected, 1.0), rare_drawn);
  --freedom;
  return sum;
}

// Five standard deviations of chi-square above its mean; the seeds are fixed.
inline double chi_square_limit(std::uint32_t freedom) {
  return freedom + 5 * std::sqrt(2.0 * freedom);
}

}  // namespace regroup::test
