// The partition of KV heads into groups.
#include "converter/head_groups.h"

#include <gtest/gtest.h>

namespace regroup::test {
namespace {

TEST(HeadGroupsTest, ContiguousGroupsFollowThePaper) {
  const HeadGroups groups = HeadGroups::contiguous(6, 2);
  EXPECT_EQ(groups.groups, (std::vector<std::vector<std::uint32_t>>{{0, 1, 2}, {3, 4, 5}}));
  EXPECT_TRUE(groups.is_contiguous());
  EXPECT_FALSE(groups.is_identity());
  EXPECT_TRUE(HeadGroups::contiguous(6, 6).is_identity());
}

TEST(HeadGroupsTest, QueryHeadsFollowTheirKvHead) {
  const HeadGroups groups{{{0, 2}, {1, 3}}};
  EXPECT_FALSE(groups.is_contiguous());
  EXPECT_EQ(groups.query_order(2), (std::vector<std::uint32_t>{0, 1, 4, 5, 2, 3, 6, 7}));
}

}  // namespace
}  // namespace regroup::test
