// The search for the best partition of heads, against all partitions where these can be listed.
#include "converter/grouping_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

namespace regroup::test {
namespace {

using Heads = std::vector<std::uint32_t>;

// A cost of each set of heads that says nothing about its subsets.
GroupCost random_cost(std::uint64_t seed) {
  return [seed](std::span<const std::uint32_t> heads) {
    std::uint64_t hash = seed;  // splitmix64 over the heads
    for (const std::uint32_t head : heads) {
      hash += head + 0x9e3779b97f4a7c15u;
      hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u;
      hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
      hash ^= hash >> 31;
    }
    return static_cast<double>(hash >> 11) * 0x1p-53;
  };
}

// The cost of a group is how far its members lie apart on a line, head by head.
GroupCost distance_cost(const std::vector<double>& places) {
  return [places](std::span<const std::uint32_t> heads) {
    double sum = 0;
    for (const std::uint32_t a : heads) {
      for (const std::uint32_t b : heads) sum += (places[a] - places[b]) * (places[a] - places[b]) / 2;
    }
    return sum;
  };
}

double cost_of(const HeadGroups& groups, const GroupCost& cost) {
  double sum = 0;
  for (const Heads& group : groups.groups) sum += cost(group);
  return sum;
}

// The least cost of all partitions, by listing every assignment of heads to groups.
double least_of_all(std::uint32_t heads, std::uint32_t groups, const GroupCost& cost) {
  std::vector<std::uint32_t> label(heads);
  for (std::uint32_t head = 0; head < heads; ++head) label[head] = head / (heads / groups);
  double least = std::numeric_limits<double>::infinity();
  do {
    HeadGroups partition{std::vector<Heads>(groups)};
    for (std::uint32_t head = 0; head < heads; ++head) partition.groups[label[head]].push_back(head);
    least = std::min(least, cost_of(partition, cost));
  } while (std::next_permutation(label.begin(), label.end()));
  return least;
}

void expect_partition(const HeadGroups& groups, std::uint32_t heads, std::uint32_t count) {
  ASSERT_EQ(groups.count(), count);
  std::set<std::uint32_t> seen;
  for (std::size_t g = 0; g < groups.groups.size(); ++g) {
    const Heads& group = groups.groups[g];
    EXPECT_EQ(group.size(), heads / count);
    EXPECT_TRUE(std::is_sorted(group.begin(), group.end()));
    EXPECT_TRUE(g == 0 || groups.groups[g - 1].front() < group.front());
    seen.insert(group.begin(), group.end());
  }
  EXPECT_EQ(seen.size(), heads);
  EXPECT_EQ(*seen.rbegin(), heads - 1);
}

TEST(GroupingSearchTest, SmallSearchesFindTheBestPartition) {
  for (const auto& [heads, groups] :
       std::vector<std::pair<std::uint32_t, std::uint32_t>>{{4, 2}, {6, 2}, {6, 3}, {8, 4}, {8, 2}, {9, 3}, {10, 5}}) {
    for (const std::uint64_t seed : {1, 2, 3}) {
      const GroupCost cost = random_cost(seed);
      const HeadGroups found = best_grouping(heads, groups, cost);
      expect_partition(found, heads, groups);
      EXPECT_NEAR(cost_of(found, cost), least_of_all(heads, groups, cost), 1e-12) << heads << " to " << groups;
    }
  }
}

TEST(GroupingSearchTest, AsksForEveryGroupOnceAndForNoneWithoutAChoice) {
  std::map<Heads, int> asked;
  const GroupCost cost = [&](std::span<const std::uint32_t> heads) {
    ++asked[Heads(heads.begin(), heads.end())];
    return random_cost(4)(heads);
  };
  EXPECT_TRUE(best_grouping(8, 8, cost).is_identity());
  EXPECT_EQ(best_grouping(8, 1, cost).count(), 1u);
  EXPECT_TRUE(asked.empty());
  best_grouping(8, 2, cost);
  EXPECT_EQ(asked.size(), 70u);
  for (const auto& [heads, times] : asked) EXPECT_EQ(times, 1);
  asked.clear();
  best_grouping(32, 8, cost, {.most_exhaustive = 128, .most_refining = 50});
  for (const auto& [heads, times] : asked) EXPECT_EQ(times, 1);
  EXPECT_LE(asked.size(),
            496u + 8u + 50u + 8u);  // pairs, a start, tried groups, and the contiguous ones to compare with
}

TEST(GroupingSearchTest, LargeSearchesFindHeadsThatBelongTogether) {
  std::mt19937_64 random(3);
  for (const auto& [heads, groups] :
       std::vector<std::pair<std::uint32_t, std::uint32_t>>{{32, 16}, {32, 8}, {32, 4}, {24, 8}, {40, 8}}) {
    // Members of a group lie close together; which heads they are is shuffled.
    Heads owner(heads);
    for (std::uint32_t head = 0; head < heads; ++head) owner[head] = head % groups;
    std::shuffle(owner.begin(), owner.end(), random);
    std::vector<double> places;
    for (const std::uint32_t group : owner) {
      places.push_back(10.0 * group + std::uniform_real_distribution<double>()(random));
    }
    const HeadGroups found = best_grouping(heads, groups, distance_cost(places));
    expect_partition(found, heads, groups);
    for (const Heads& group : found.groups) {
      for (const std::uint32_t head : group) EXPECT_EQ(owner[head], owner[group.front()]);
    }
  }
}

// The search that is guided by pairs, on a problem that the exact one can solve too.
TEST(GroupingSearchTest, GuidedSearchComesCloseToTheBest) {
  std::mt19937_64 random(5);
  for (const std::uint32_t groups : {4, 2}) {
    double best = 0, guided = 0, contiguous = 0;
    for (int trial = 0; trial < 20; ++trial) {
      std::vector<double> places;
      for (int head = 0; head < 8; ++head) places.push_back(std::normal_distribution<double>()(random));
      const auto by_distance = distance_cost(places);
      const GroupCost cost = [&](std::span<const std::uint32_t> heads) { return std::sqrt(by_distance(heads)); };
      best += cost_of(best_grouping(8, groups, cost), cost);
      guided += cost_of(best_grouping(8, groups, cost, {.most_exhaustive = 0, .most_refining = 60}), cost);
      contiguous += cost_of(HeadGroups::contiguous(8, groups), cost);
    }
    EXPECT_LT(guided - best, 0.1 * (contiguous - best)) << groups;
  }
}

TEST(GroupingSearchTest, NeverWorseThanContiguousAndDeterministic) {
  for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
    const GroupCost cost = random_cost(seed);
    const GroupingEffort little{.most_exhaustive = 0, .most_refining = 4};
    const HeadGroups found = best_grouping(12, 3, cost, little);
    EXPECT_LE(cost_of(found, cost), cost_of(HeadGroups::contiguous(12, 3), cost));
    EXPECT_EQ(found.groups, best_grouping(12, 3, cost, little).groups);
  }
  const GroupCost all_equal = [](std::span<const std::uint32_t>) { return 1.0; };
  EXPECT_TRUE(best_grouping(12, 3, all_equal).is_contiguous());
  EXPECT_TRUE(best_grouping(8, 4, all_equal).is_contiguous());
}

TEST(GroupingSearchTest, ErrorsOfTheCostPassThrough) {
  const GroupCost stops = [](std::span<const std::uint32_t>) -> double { throw std::runtime_error("stop"); };
  EXPECT_THROW(best_grouping(8, 4, stops), std::runtime_error);
  const GroupCost broken = [](std::span<const std::uint32_t>) { return std::nan(""); };
  EXPECT_THROW(best_grouping(8, 4, broken), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
