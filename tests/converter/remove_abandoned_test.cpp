// What killed conversions left beside their output.
#include "converter/checkpoint/remove_abandoned.h"

#include <unistd.h>

#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"

namespace regroup::test {
namespace {

constexpr const char* kDead = "999999999";  // above what systems count to

class RemoveAbandonedTest : public ::testing::Test {
 protected:
  fs::path make(const std::string& name, const std::string& content) const {
    const fs::path path = folder_.path() / name;
    fs::create_directories(path);
    std::ofstream(path / "config.json") << content;
    return path;
  }
  std::string content(const fs::path& path) const { return file_bytes(path / "config.json"); }

  TemporaryFolder folder_;
  fs::path target_ = folder_.path() / "out";
};

TEST_F(RemoveAbandonedTest, OnlyWhatTheDeadLeftBesideThisOutput) {
  const fs::path dead = make(fmt::format(".out.{}.tmp", kDead), "half");
  const std::vector<fs::path> others = {make(fmt::format(".out.{}.tmp", getpid()), "mine"),
                                        make(fmt::format(".out.{}.old.tmp", getpid()), "mine"),
                                        make(fmt::format(".out.b.{}.tmp", kDead), "of out.b"),
                                        make(".out.x.tmp", "somebody's"), make(".out.old.tmp", "somebody's")};
  remove_abandoned(target_);
  EXPECT_FALSE(fs::exists(dead));
  for (const fs::path& path : others) EXPECT_TRUE(fs::exists(path)) << path;
}

TEST_F(RemoveAbandonedTest, WhatWasBeingReplacedComesBack) {
  const fs::path old = make(fmt::format(".out.{}.old.tmp", kDead), "old");
  const fs::path half = make(fmt::format(".out.{}.tmp", kDead), "new");
  remove_abandoned(target_);
  EXPECT_EQ(content(target_), "old");
  EXPECT_FALSE(fs::exists(old));
  EXPECT_FALSE(fs::exists(half));
}

TEST_F(RemoveAbandonedTest, WhatWasReplacedGoes) {
  make("out", "new");
  const fs::path old = make(fmt::format(".out.{}.old.tmp", kDead), "old");
  remove_abandoned(target_);
  EXPECT_EQ(content(target_), "new");
  EXPECT_FALSE(fs::exists(old));
}

}  // namespace
}  // namespace regroup::test
