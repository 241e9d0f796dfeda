// Estimates of submissions: linear in work, pessimistic at first, following what was measured within bounds.
#include "runtime/gpu/submit_budget.h"

#include <gtest/gtest.h>

namespace regroup::test {
namespace {

TEST(SubmitBudget, EstimatesTheLargerOfBytesAndOperations) {
  SubmitBudget budget;
  budget.configure(50, true);
  EXPECT_EQ(budget.max_ms(), 50.0);
  const double launch = budget.estimate_ms(Work{});
  EXPECT_GT(launch, 0.0);  // a dispatch that states nothing still counts
  const double bytes = budget.estimate_ms(Work{.bytes = 1e9}) - launch;
  const double flops = budget.estimate_ms(Work{.flops = 1e10}) - launch;
  EXPECT_GT(bytes, 0.0);
  EXPECT_GT(flops, 0.0);
  EXPECT_NEAR(budget.estimate_ms(Work{.bytes = 3e9}) - launch, 3 * bytes, 1e-6 * bytes);
  EXPECT_NEAR(budget.estimate_ms(Work{.bytes = 1e9, .flops = 1e10}) - launch, std::max(bytes, flops), 1e-9);
}

TEST(SubmitBudget, CpuDriversStartWithLowerRates) {
  SubmitBudget cpu, gpu;
  cpu.configure(50, true);
  gpu.configure(50, false);
  EXPECT_GT(cpu.estimate_ms({.bytes = 1e9}), gpu.estimate_ms({.bytes = 1e9}));
  EXPECT_GT(cpu.estimate_ms({.flops = 1e9}), gpu.estimate_ms({.flops = 1e9}));
}

TEST(SubmitBudget, LimitIsAtLeastAMillisecond) {
  SubmitBudget budget;
  budget.configure(0.001, true);
  EXPECT_EQ(budget.max_ms(), 1.0);
}

TEST(SubmitBudget, LearnsFromMeasurements) {
  const Work work{.bytes = 1e9};
  for (const double truth : {5.0, 500.0, 20000.0}) {
    SubmitBudget budget;
    budget.configure(100, true);
    for (int i = 0; i < 100; ++i) budget.learn(budget.cost(work), truth);
    EXPECT_NEAR(budget.estimate_ms(work), truth, 0.1 * truth);
  }
}

// A recording is made once and runs many times: what it taught must not be applied to it again and again.
TEST(SubmitBudget, AnOldRecordingDoesNotRunAway) {
  const Work work{.bytes = 1e9};
  SubmitBudget budget;
  budget.configure(100, true);
  const NominalCost recorded = budget.cost(work);
  for (int i = 0; i < 1000; ++i) budget.learn(recorded, 50.0);
  EXPECT_NEAR(budget.estimate_ms(work), 50.0, 1.0);
}

TEST(SubmitBudget, MemoryAndArithmeticLearnApart) {
  const Work reads{.bytes = 1e9}, computes{.flops = 1e10};
  SubmitBudget budget;
  budget.configure(100, true);
  for (int i = 0; i < 100; ++i) {
    budget.learn(budget.cost(reads), 20.0);
    budget.learn(budget.cost(computes), 700.0);
  }
  EXPECT_NEAR(budget.estimate_ms(reads), 20.0, 1.0);
  EXPECT_NEAR(budget.estimate_ms(computes), 700.0, 10.0);
}

TEST(SubmitBudget, OneOddMeasurementChangesLittle) {
  SubmitBudget budget;
  budget.configure(100, true);
  const Work work{.bytes = 1e9};
  const double before = budget.estimate_ms(work);
  budget.learn(budget.cost(work), 1e9);  // the machine slept
  EXPECT_LE(budget.estimate_ms(work), 2 * before);
  budget.learn(budget.cost(work), 1e-9);
  EXPECT_GT(budget.estimate_ms(work), 0.5 * before);
}

TEST(SubmitBudget, IgnoresWhatSaysNothing) {
  SubmitBudget budget;
  budget.configure(100, true);
  const Work work{.bytes = 1e9};
  const double before = budget.estimate_ms(work);
  budget.learn({.launch_ms = 0.02, .bytes_ms = 0.1}, 50);  // so short that it measured the launch
  budget.learn(budget.cost(work), 0);                      // no clock
  budget.learn(budget.cost(work), -5);
  EXPECT_EQ(budget.estimate_ms(work), before);
}

}  // namespace
}  // namespace regroup::test
