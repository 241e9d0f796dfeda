// How a grid is shared with a worker that comes late.
#include "runtime/ops/worker_share.h"

#include <gtest/gtest.h>

namespace regroup::test {
namespace {

TEST(WorkerShare, NobodyLateMeansNoEmptyWorkgroups) {
  EXPECT_EQ(shared_groups(0, 7, 1000), 7u);
}

TEST(WorkerShare, TheFirstHalfGrowsByWhatTheOtherMisses) {
  EXPECT_EQ(shared_groups(20, 100, 1000), 120u);  // 60 and 40 of 1 us each, the 40 beginning 20 us later
  EXPECT_EQ(shared_groups(20, 7, 1e9), 8u);       // rounded: 4 and 3
  EXPECT_EQ(shared_groups(20, 10, 1000), 20u);    // all for the first
  EXPECT_EQ(shared_groups(1e6, 1, 10), 2u);
}

}  // namespace
}  // namespace regroup::test
