// Axes: values and pixels are each other's inverse, ticks are round and inside.
#include "plot/axis.h"

#include <gtest/gtest.h>

#include <cmath>

namespace regroup::test {
namespace {

using plot::Axis;
using plot::AxisScale;
using plot::power_ticks;
using plot::round_ticks;

TEST(Axis, PixelsAndValuesAreInverse) {
  for (const AxisScale scale : {AxisScale::kLinear, AxisScale::kLog2, AxisScale::kLog10}) {
    const Axis axis{.low = 0.5, .high = 32, .from = 300, .to = 20, .scale = scale};
    EXPECT_EQ(axis.pixel(0.5), 300);
    EXPECT_EQ(axis.pixel(32), 20);
    for (const double value : {0.7, 2.0, 17.0}) EXPECT_NEAR(axis.value(axis.pixel(value)), value, 1e-4 * value);
  }
}

TEST(Axis, LogarithmicAxesMakeEqualFactorsEqualSteps) {
  const Axis axis{.low = 1, .high = 16, .from = 0, .to = 400, .scale = AxisScale::kLog2};
  EXPECT_NEAR(axis.pixel(2), 100, 1e-3);
  EXPECT_NEAR(axis.pixel(8), 300, 1e-3);
  EXPECT_TRUE(axis.can_show(0.01));
  EXPECT_FALSE(axis.can_show(0) || axis.can_show(-1) || axis.can_show(NAN) || axis.can_show(INFINITY));
}

TEST(Axis, AnAxisWithoutLengthPutsEverythingInItsMiddle) {
  const Axis axis{.low = 3, .high = 3, .from = 0, .to = 10};
  EXPECT_EQ(axis.pixel(3), 5);
}

TEST(AxisTicks, AreRoundAndInside) {
  for (const auto& [low, high] : {std::pair{0.0, 1.0}, {0.0, 0.037}, {12.0, 987.0}, {-3.0, 4.0}}) {
    const auto ticks = round_ticks(low, high, 5);
    EXPECT_GE(ticks.size(), 2u);
    EXPECT_LE(ticks.size(), 9u);
    for (const double tick : ticks) {
      EXPECT_GE(tick, low - 1e-9);
      EXPECT_LE(tick, high + 1e-9);
      EXPECT_FALSE(std::signbit(tick) && tick == 0);
    }
  }
  for (const double tick : round_ticks(0, 3e6, 4, true)) EXPECT_EQ(std::fmod(tick, 1024), 0);
  EXPECT_TRUE(round_ticks(1, 1, 5).empty());
}

TEST(AxisTicks, OfLogarithmicAxesArePowersOfTheBase) {
  EXPECT_EQ(power_ticks({.low = 1, .high = 8, .scale = AxisScale::kLog2}, 10), (std::vector<double>{1, 2, 4, 8}));
  EXPECT_EQ(power_ticks({.low = 0.9, .high = 2000, .scale = AxisScale::kLog10}, 10),
            (std::vector<double>{1, 10, 100, 1000}));
  // Less than two decades: 2 and 5 times their powers as well.
  EXPECT_EQ(power_ticks({.low = 15, .high = 300, .scale = AxisScale::kLog10}, 10),
            (std::vector<double>{20, 50, 100, 200}));
  EXPECT_LE(power_ticks({.low = 1, .high = 1e9, .scale = AxisScale::kLog2}, 10).size(), 11u);
}

}  // namespace
}  // namespace regroup::test
