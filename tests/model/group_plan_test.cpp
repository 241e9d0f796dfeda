// Grouping plans as values: terms of every method, divisors, what is refused, and the command line's notation.
#include "runtime/model/group_plan.h"

#include <gtest/gtest.h>

#include <set>

#include "runtime/core/error.h"

namespace regroup::test {
namespace {

ModelConfig with_heads(const std::vector<std::uint32_t>& kv_heads) {
  ModelConfig config;
  for (const std::uint32_t heads : kv_heads) config.layers.push_back({.kv_heads = heads});
  return config;
}

void expect_usage(const auto& work, std::string_view named) {
  try {
    work();
    ADD_FAILURE() << "not refused; expected something about '" << named << "'";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUsage);
    EXPECT_NE(std::string_view(error.what()).find(named), std::string_view::npos) << error.what();
  }
}

TEST(GroupPlan, IdentityLeavesEveryLayer) {
  const GroupPlan plan = GroupPlan::identity(with_heads({8, 4, 1}));
  EXPECT_TRUE(plan.is_identity());
  EXPECT_EQ(plan.groups(), (std::vector<std::uint32_t>{8, 4, 1}));
}

TEST(GroupPlan, MeanTakesEveryHeadOfItsGroupInOrder) {
  const GroupPlan plan = GroupPlan::contiguous(with_heads({12, 12}), {3}, PoolMethod::kMean);
  EXPECT_FALSE(plan.is_identity());
  for (const LayerPlan& layer : plan.layers) {
    EXPECT_EQ(layer.groups, 3u);
    ASSERT_EQ(layer.terms.size(), 12u);
    for (std::uint32_t h = 0; h < 12; ++h) {
      EXPECT_EQ(layer.terms[h].source, h);
      EXPECT_EQ(layer.terms[h].target, h * 3 / 12);  // the paper's floor(h G / H)
      EXPECT_EQ(layer.terms[h].factor, 0.25f);
    }
  }
}

TEST(GroupPlan, FirstTakesOneHeadAsItIs) {
  const GroupPlan plan = GroupPlan::contiguous(with_heads({8}), {2}, PoolMethod::kFirst);
  ASSERT_EQ(plan.layers[0].terms.size(), 2u);
  for (std::uint32_t g = 0; g < 2; ++g) {
    EXPECT_EQ(plan.layers[0].terms[g].target, g);
    EXPECT_EQ(plan.layers[0].terms[g].source, 4 * g);
    EXPECT_EQ(plan.layers[0].terms[g].factor, 1.0f);
  }
}

TEST(GroupPlan, RandomTakesAHeadOfEachGroupBySeed) {
  const ModelConfig config = with_heads({16, 16, 16, 16});
  const auto sources = [&](std::uint64_t seed) {
    std::vector<std::uint32_t> heads;
    for (const LayerPlan& layer : GroupPlan::contiguous(config, {4}, PoolMethod::kRandom, seed).layers) {
      EXPECT_EQ(layer.terms.size(), 4u);
      for (const PoolTerm& term : layer.terms) {
        EXPECT_EQ(term.source / 4, term.target);
        EXPECT_EQ(term.factor, 1.0f);
        heads.push_back(term.source);
      }
    }
    return heads;
  };
  EXPECT_EQ(sources(5), sources(5));
  std::set<std::vector<std::uint32_t>> different;
  for (std::uint64_t seed = 0; seed < 8; ++seed) different.insert(sources(seed));
  EXPECT_GT(different.size(), 4u);
}

TEST(GroupPlan, EqualGroupsAreTheIdentity) {
  for (const PoolMethod method : {PoolMethod::kMean, PoolMethod::kFirst, PoolMethod::kRandom}) {
    EXPECT_TRUE(GroupPlan::contiguous(with_heads({8, 8}), {8}, method).is_identity());
    const GroupPlan mixed = GroupPlan::contiguous(with_heads({8, 8}), {8, 2}, method);
    EXPECT_TRUE(mixed.layers[0].is_identity());
    EXPECT_FALSE(mixed.layers[1].is_identity());
    EXPECT_EQ(mixed.groups(), (std::vector<std::uint32_t>{8, 2}));
  }
}

TEST(GroupPlan, RefusesWhatDoesNotDivide) {
  const ModelConfig config = with_heads({8, 6});
  const auto plan = [&](const std::vector<std::uint32_t>& groups) {
    return [=] { GroupPlan::contiguous(config, groups, PoolMethod::kMean); };
  };
  expect_usage(plan({3}), "layer 0 has 8 KV heads");
  expect_usage(plan({4}), "layer 1 has 6 KV heads");
  expect_usage(plan({16}), "16");
  expect_usage(plan({0}), "0");
  expect_usage(plan({8, 6, 2}), "3 numbers");
  expect_usage(plan({}), "0 numbers");
}

TEST(GroupPlan, ParsesTheCommandLinesNotation) {
  EXPECT_EQ(GroupPlan::parse_groups("4"), (std::vector<std::uint32_t>{4}));
  EXPECT_EQ(GroupPlan::parse_groups("8,8,4,2"), (std::vector<std::uint32_t>{8, 8, 4, 2}));
  for (const std::string_view wrong : {"", "0", "-1", "4x", "x", "4,", ",4", "4,,2", "4 2", "99999999999", "4.0"}) {
    expect_usage([&] { GroupPlan::parse_groups(wrong); }, "--groups");
  }
}

TEST(GroupPlan, MethodsHaveNames) {
  for (const PoolMethod method : {PoolMethod::kMean, PoolMethod::kFirst, PoolMethod::kRandom}) {
    EXPECT_EQ(pool_method_from_name(pool_method_name(method)), method);
  }
  expect_usage([] { pool_method_from_name("median"); }, "median");
}

TEST(PossibleGroups, AreTheSharedDivisorsDescending) {
  EXPECT_EQ(possible_groups(with_heads({12, 12})), (std::vector<std::uint32_t>{12, 6, 4, 3, 2, 1}));
  EXPECT_EQ(possible_groups(with_heads({12, 8})), (std::vector<std::uint32_t>{4, 2, 1}));
  EXPECT_EQ(possible_groups(with_heads({1})), (std::vector<std::uint32_t>{1}));
}

}  // namespace
}  // namespace regroup::test
