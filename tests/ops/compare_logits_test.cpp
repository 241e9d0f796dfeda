// Comparison of logit rows against double precision: absolute 2e-5 and relative 1e-5, every profile; equal rows diverge
// by exactly 0.
#include "runtime/ops/compare_logits.h"

#include <cmath>
#include <cstring>
#include <numeric>

#include "runtime/ops/sampling.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

struct Expected {
  double nll, divergence, baseline_nll;
  std::uint32_t baseline_top, top;
};

double log_sum(std::span<const float> row) {
  const double most = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(x - most);
  return most + std::log(sum);
}

Expected reference(std::span<const float> baseline, std::span<const float> logits, std::uint32_t target) {
  const double a = log_sum(baseline), b = log_sum(logits);
  double divergence = 0;
  for (std::size_t i = 0; i < baseline.size(); ++i) {
    divergence += std::exp(baseline[i] - a) * ((baseline[i] - a) - (logits[i] - b));
  }
  const auto top = [](std::span<const float> row) {
    return static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin());
  };
  return {b - logits[target], divergence, a - baseline[target], top(baseline), top(logits)};
}

class CompareLogitsTest : public ProfileTest {
 protected:
  struct Rows {
    std::vector<float> values;
    std::uint32_t offset, stride;
    std::span<const float> row(std::uint32_t t, std::uint32_t columns) const {
      return std::span(values).subspan(offset + std::size_t{t} * stride, columns);
    }
  };

  std::vector<ComparedRow> compare(const KernelProfile& profile, const Rows& baseline, const Rows& logits,
                                   const std::vector<std::uint32_t>& targets, std::uint32_t columns) {
    const auto rows = static_cast<std::uint32_t>(targets.size());
    Buffer& scores = upload_new(std::vector<float>(rows * std::size_t{8}));
    run(profile, CompareLogits{.baseline = {upload_new(baseline.values), baseline.offset, baseline.stride},
                               .logits = {upload_new(logits.values), logits.offset, logits.stride},
                               .targets = upload_new(targets),
                               .scores = scores,
                               .columns = columns,
                               .rows = rows});
    return download_values<ComparedRow>(device(), scores, rows);
  }
};

TEST_F(CompareLogitsTest, AgreesWithDoublePrecision) {
  for (const KernelProfile& profile : profiles()) {
    for (const std::uint32_t columns : {1u, 3u, 65u, 576u, 2048u, 49155u, kLargestSampledVocabulary}) {
      SCOPED_TRACE(fmt::format("{} columns {}", profile.name, columns));
      const std::uint32_t count = columns > 50000 ? 1 : columns > 2048 ? 2 : 5, stride = (columns + 3) / 4 * 4;
      Rows baseline{{}, 4, stride + 4}, logits{{}, 8, stride};
      // What lies past the columns must not count, however large.
      baseline.values = noise(4 + count * (stride + 4), columns, 3.0f);
      logits.values.assign(8 + count * stride, 1e9f);
      const std::vector<float> apart = noise(count * stride, columns + 1);
      std::vector<std::uint32_t> targets;
      for (std::uint32_t t = 0; t < count; ++t) {
        for (std::uint32_t i = 0; i < columns; ++i) {
          logits.values[8 + t * stride + i] = baseline.values[4 + t * (stride + 4) + i] + apart[t * stride + i];
        }
        targets.push_back(t % 2 == 0 ? columns - 1 - t / 2 % columns : 0);
      }
      const auto found = compare(profile, baseline, logits, targets, columns);
      for (std::uint32_t t = 0; t < count; ++t) {
        const Expected expected = reference(baseline.row(t, columns), logits.row(t, columns), targets[t]);
        const std::vector<float> got = {found[t].nll, found[t].divergence, found[t].baseline_nll};
        EXPECT_LE(
            worst_error(got, std::vector<double>{expected.nll, expected.divergence, expected.baseline_nll}, 2e-5, 1e-5),
            1.0)
            << "row " << t << ": " << fmt::format("{}", fmt::join(got, ", ")) << " expected " << expected.nll << ", "
            << expected.divergence << ", " << expected.baseline_nll;
        EXPECT_EQ(found[t].baseline_top, expected.baseline_top);
        EXPECT_EQ(found[t].top, expected.top);
      }
    }
  }
}

TEST_F(CompareLogitsTest, EqualRowsDivergeByNothing) {
  for (const KernelProfile& profile : profiles()) {
    const std::uint32_t columns = 1027;
    const Rows rows{noise(3 * 1028, 7, 10.0f), 0, 1028};
    for (const ComparedRow& row : compare(profile, rows, rows, {0, 5, 1026}, columns)) {
      EXPECT_EQ(row.divergence, 0.0f) << profile.name;
      EXPECT_EQ(row.nll, row.baseline_nll);
      EXPECT_EQ(row.top, row.baseline_top);
    }
  }
}

TEST_F(CompareLogitsTest, ImpossibleTokensAndTies) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const KernelProfile& profile : profiles()) {
    SCOPED_TRACE(profile.name);
    // Token 3 is impossible in both; 1 and 2 are equally likely in the baseline: the lower is its top.
    const Rows baseline{{0, 1, 1, -kInfinity}, 0, 4}, logits{{0, 0, 2, -kInfinity}, 0, 4};
    const ComparedRow row = compare(profile, baseline, logits, {1}, 4)[0];
    EXPECT_EQ(row.baseline_top, 1u);
    EXPECT_EQ(row.top, 2u);
    const double a = std::log(1 + 2 * std::exp(1.0)), b = std::log(2 + std::exp(2.0));
    EXPECT_NEAR(row.divergence, std::exp(-a) * (b - a) + std::exp(1 - a) * (1 - a + b) + std::exp(1 - a) * (b - a - 1),
                1e-5);
    // A token that the baseline expects and the other model excludes: infinitely far.
    const ComparedRow excluded = compare(profile, logits, Rows{{0, 0, -kInfinity, 0}, 0, 4}, {2}, 4)[0];
    EXPECT_EQ(excluded.nll, kInfinity);
    EXPECT_EQ(excluded.divergence, kInfinity);
    const ComparedRow broken = compare(profile, baseline, Rows{{0, std::nanf(""), 0, 0}, 0, 4}, {2}, 4)[0];
    EXPECT_TRUE(std::isnan(broken.nll) && std::isnan(broken.divergence));
  }
}

}  // namespace
}  // namespace regroup::test
