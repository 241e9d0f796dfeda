// How late a second worker is told to come, and on which drivers there is one.
#include "runtime/gpu/wake_lag.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace regroup::test {
namespace {

TEST(WakeLag, IsMeasuredOnceWithinBounds) {
  const double lag = wake_lag_us();
  EXPECT_GE(lag, 0);
  EXPECT_LE(lag, 60);
  EXPECT_EQ(wake_lag_us(), lag);
}

TEST(WakeLag, TwoWorkersAreLavapipes) {
  const char* asked = std::getenv("LP_NUM_THREADS");
  const std::string before = asked != nullptr ? asked : "";
  setenv("LP_NUM_THREADS", "2", 1);
  EXPECT_TRUE(has_two_workers("llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"));
  EXPECT_FALSE(has_two_workers("SwiftShader driver"));
  setenv("LP_NUM_THREADS", "0", 1);
  EXPECT_FALSE(has_two_workers("llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"));
  setenv("LP_NUM_THREADS", "8", 1);
  EXPECT_FALSE(has_two_workers("llvmpipe Mesa 22.3.6 (LLVM 15.0.6)"));
  if (asked != nullptr) {
    setenv("LP_NUM_THREADS", before.c_str(), 1);
  } else {
    unsetenv("LP_NUM_THREADS");
  }
}

}  // namespace
}  // namespace regroup::test
