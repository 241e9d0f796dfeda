// The choice of groups per layer under a budget, against all combinations.
#include "converter/budget.h"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "runtime/core/error.h"

namespace regroup::test {
namespace {

using Layers = std::vector<std::vector<BudgetOption>>;

// The best plan by trying every combination; nothing when none fits.
std::optional<BudgetPlan> best_of_all(const Layers& layers, std::uint64_t budget) {
  std::optional<BudgetPlan> best;
  std::vector<std::size_t> choice(layers.size());
  for (;;) {
    BudgetPlan plan;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      plan.groups.push_back(layers[i][choice[i]].groups);
      plan.bytes_per_token += layers[i][choice[i]].bytes_per_token;
      plan.damage += layers[i][choice[i]].damage;
    }
    const bool better = !best || plan.damage < best->damage ||
                        (plan.damage == best->damage && plan.bytes_per_token < best->bytes_per_token);
    if (plan.bytes_per_token <= budget && better) best = plan;
    std::size_t i = 0;
    while (i < layers.size() && ++choice[i] == layers[i].size()) choice[i++] = 0;
    if (i == layers.size()) return best;
  }
}

TEST(BudgetTest, EqualsTheBestOfAllCombinations) {
  std::mt19937_64 random(9);
  for (int trial = 0; trial < 200; ++trial) {
    Layers layers(1 + random() % 5);
    std::uint64_t most = 0;
    for (auto& options : layers) {
      std::uint64_t largest = 0;
      for (const std::uint32_t groups : {8, 4, 2, 1}) {
        // Whole numbers, so that equal sums are equal; damage need not fall with size.
        options.push_back({groups, groups * (16 + random() % 5), static_cast<double>(random() % 30)});
        largest = std::max(largest, options.back().bytes_per_token);
        if (random() % 6 == 0) break;
      }
      most += largest;
    }
    const std::uint64_t budget = random() % (most + 20);
    const std::optional<BudgetPlan> wanted = best_of_all(layers, budget);
    if (!wanted) {
      EXPECT_THROW(plan_for_budget(layers, budget), Error);
      continue;
    }
    const BudgetPlan found = plan_for_budget(layers, budget);
    EXPECT_EQ(found.damage, wanted->damage);
    EXPECT_EQ(found.bytes_per_token, wanted->bytes_per_token);
    double damage = 0;
    std::uint64_t bytes = 0;
    ASSERT_EQ(found.groups.size(), layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const auto option = std::find_if(layers[i].begin(), layers[i].end(),
                                       [&](const BudgetOption& o) { return o.groups == found.groups[i]; });
      ASSERT_NE(option, layers[i].end());
      damage += option->damage;
      bytes += option->bytes_per_token;
    }
    EXPECT_EQ(damage, found.damage);
    EXPECT_EQ(bytes, found.bytes_per_token);
  }
}

TEST(BudgetTest, KeepsAllGroupsWhereTheyFitAndProtectsTheTenderLayer) {
  // Damage as measured on a small model: its first layer is ten times as tender as the others.
  const std::vector<BudgetOption> tender = {{8, 8, 0}, {4, 4, 0.176}, {2, 2, 0.6}, {1, 1, 1.158}};
  const std::vector<BudgetOption> tough = {{8, 8, 0}, {4, 4, 0.015}, {2, 2, 0.03}, {1, 1, 0.07}};
  const Layers layers = {tender, tough, tough, tough};
  EXPECT_EQ(plan_for_budget(layers, 32).groups, (std::vector<std::uint32_t>{8, 8, 8, 8}));
  EXPECT_EQ(plan_for_budget(layers, 1000).damage, 0);
  const BudgetPlan half = plan_for_budget(layers, 16);
  EXPECT_EQ(half.groups[0], 8u);
  EXPECT_NEAR(half.damage, 0.075, 1e-12);  // 8 and two of 2 and one of 4
  EXPECT_EQ(plan_for_budget(layers, 4).groups, (std::vector<std::uint32_t>{1, 1, 1, 1}));
}

TEST(BudgetTest, ImpossibleBudgetsNameTheLeast) {
  const Layers layers = {{{2, 200, 0}, {1, 100, 1}}, {{2, 200, 0}, {1, 100, 1}}};
  try {
    plan_for_budget(layers, 199);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("199"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("takes 200"), std::string::npos);
  }
}

TEST(BudgetTest, ManyLayersOfManyOptionsAreQuickAndExact) {
  // Additive damage of exchangeable layers: what is best is known. 126 layers of 7 options, budget for half.
  std::vector<BudgetOption> options;
  for (std::uint32_t groups = 64; groups > 0; groups /= 2) options.push_back({groups, groups * 1024, 1.0 / groups});
  const Layers layers(126, options);
  const BudgetPlan plan = plan_for_budget(layers, 126 * 32 * 1024);
  EXPECT_EQ(plan.groups, std::vector<std::uint32_t>(126, 32));  // 1/x is convex: equal shares are best
  EXPECT_NEAR(plan.damage, 126.0 / 32, 1e-9);
}

}  // namespace
}  // namespace regroup::test
