// The order that made-up speeds give.
#include "runtime/tuning/candidate_speed.h"

#include <gtest/gtest.h>

#include <limits>

namespace regroup::test {
namespace {

using Order = std::vector<std::size_t>;
constexpr double kNever = std::numeric_limits<double>::infinity();

Order order(const std::vector<double>& ms) {
  std::vector<tuning::CandidateSpeed> speeds;
  for (const double value : ms) speeds.push_back({"candidate", value});
  return tuning::order_of(speeds);
}

TEST(CandidateSpeed, TheTablesChoiceKeepsItsPlaceUnlessAnotherIsClearlyFaster) {
  EXPECT_EQ(order({1.0, 1.0}), (Order{0, 1}));
  EXPECT_EQ(order({1.0, 0.95}), (Order{0, 1}));
  EXPECT_EQ(order({1.0, 0.85}), (Order{1, 0}));
  EXPECT_EQ(order({1.0, 0.95, 0.5, 3.0}), (Order{2, 0, 1, 3}));
}

TEST(CandidateSpeed, TheOthersAreInOrderOfTimeThenOfTheTable) {
  EXPECT_EQ(order({1.0, 3.0, 2.0, 2.0}), (Order{0, 2, 3, 1}));
  EXPECT_EQ(order({}), Order{});
  EXPECT_EQ(order({5.0}), Order{0});
}

TEST(CandidateSpeed, WhatDoesNotWorkComesLast) {
  EXPECT_EQ(order({kNever, 100.0, kNever}), (Order{1, 0, 2}));
  EXPECT_EQ(order({kNever, kNever}), (Order{0, 1}));
}

}  // namespace
}  // namespace regroup::test
