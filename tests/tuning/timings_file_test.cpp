// What is kept of timings, and what a damaged file of them counts as.
#include "runtime/tuning/timings_file.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <limits>

#include "tests/model/tiny_model.h"

namespace regroup::test {
namespace {

namespace fs = std::filesystem;
using tuning::ShapeTiming;
using tuning::TimingsFile;

const std::vector<std::string> kCandidates = {"one", "two"};

class TimingsFileTest : public ::testing::Test {
 protected:
  TimingsFileTest() { info_.device_uuid[0] = 1; }
  TimingsFile open() const { return TimingsFile(folder_.path(), info_); }
  static ShapeTiming timing(const std::string& shape, double one, double two, std::uint32_t taken = 1) {
    return {.shape = shape, .kernels = "abc", .taken = taken, .speeds = {{"one", one}, {"two", two}}};
  }
  void keep(const ShapeTiming& timing) const {
    TimingsFile file = open();
    file.put(timing);
    file.save();
  }
  fs::path only_file() const {
    std::vector<fs::path> files;
    for (const auto& entry : fs::directory_iterator(folder_.path())) files.push_back(entry.path());
    EXPECT_EQ(files.size(), 1u);
    return files.empty() ? fs::path{} : files[0];
  }

  TemporaryFolder folder_;
  DeviceInfo info_;
};

TEST_F(TimingsFileTest, WhatIsKeptIsReadBack) {
  EXPECT_TRUE(open().timings().empty());
  keep(timing("f32 64 x 64", 1.5, 0.25));
  keep(timing("q4_0 64 x 64", 2, 3));
  const TimingsFile file = open();
  ASSERT_EQ(file.timings().size(), 2u);
  const ShapeTiming* found = file.find("f32 64 x 64", "abc", kCandidates);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->taken, 1u);
  EXPECT_EQ(found->speeds[0].ms, 1.5);
  EXPECT_EQ(found->speeds[1].ms, 0.25);
  EXPECT_EQ(found->chosen(), "two");
  EXPECT_EQ(file.find("f32 64 x 32", "abc", kCandidates), nullptr);
  EXPECT_EQ(file.find("f32 64 x 64", "abd", kCandidates), nullptr);
  EXPECT_EQ(file.find("f32 64 x 64", "abc", {"one"}), nullptr);
  EXPECT_EQ(file.find("f32 64 x 64", "abc", {"two", "one"}), nullptr);
}

// What a candidate's wrong results are kept for: they are not looked for again at every start.
TEST_F(TimingsFileTest, WrongResultsAreReadBackAndSettleNothingElse) {
  constexpr double kNever = std::numeric_limits<double>::infinity();
  keep(timing("a", 1, kNever));
  keep(timing("b", kNever, 1, 2));
  keep(timing("c", kNever, kNever));
  const TimingsFile file = open();
  ASSERT_EQ(file.timings().size(), 3u);
  EXPECT_EQ(file.timings()[0].speeds[1].ms, kNever);
  EXPECT_TRUE(file.timings()[0].settled());
  EXPECT_EQ(file.timings()[1].speeds[0].ms, kNever);
  EXPECT_EQ(file.timings()[1].chosen(), "two");
  EXPECT_TRUE(file.timings()[1].settled());
  EXPECT_EQ(file.timings()[2].chosen(), "one");
}

TEST_F(TimingsFileTest, OneThatOverturnsTheTableIsSettledByASecond) {
  EXPECT_TRUE(timing("a", 1, 2).settled());
  EXPECT_FALSE(timing("a", 2, 1).settled());
  EXPECT_TRUE(timing("a", 2, 1, 2).settled());
}

TEST_F(TimingsFileTest, AnotherDeviceOrDriverHasItsOwn) {
  keep(timing("a", 1, 2));
  info_.driver_version = 7;
  EXPECT_TRUE(open().timings().empty());
  info_.driver_version = 0;
  info_.pipeline_cache_uuid[3] = 9;
  EXPECT_TRUE(open().timings().empty());
  info_.pipeline_cache_uuid[3] = 0;
  EXPECT_EQ(open().timings().size(), 1u);
}

TEST_F(TimingsFileTest, AnEntryIsReplacedAndTheOldestGoes) {
  keep(timing("first", 1, 2));
  ShapeTiming updated = timing("first", 3, 4);
  updated.kernels = "of an update";
  keep(updated);
  ASSERT_EQ(open().timings().size(), 1u);
  EXPECT_EQ(open().timings()[0].kernels, "of an update");
  TimingsFile file = open();
  for (int i = 0; i < 100; ++i) file.put(timing("shape " + std::to_string(i), 1, 2));
  file.save();
  const TimingsFile again = open();
  EXPECT_LE(again.timings().size(), 100u);
  EXPECT_EQ(again.find("first", "of an update", kCandidates), nullptr);
  EXPECT_NE(again.find("shape 99", "abc", kCandidates), nullptr);
}

TEST_F(TimingsFileTest, ADamagedFileCountsAsAbsent) {
  keep(timing("a", 1, 2));
  const fs::path path = only_file();
  std::ifstream in(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = whole;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  const std::vector<std::string> damaged = {"",
                                            "{",
                                            "[]",
                                            "{\"schema\": 1}",
                                            whole.substr(0, whole.size() / 2),
                                            with("\"schema\": 1", "\"schema\": 2"),
                                            with("\"ms\": 1.0", "\"ms\": -1.0"),
                                            with("\"ms\": 1.0", "\"ms\": 0"),
                                            with("\"ms\": 1.0", "\"ms\": 1e999"),
                                            with("\"ms\": 1.0", "\"ms\": \"1\""),
                                            with("\"ms\": 1.0", "\"ms\": {}"),
                                            with("\"ms\": 1.0", "\"msec\": null"),
                                            with("\"taken\": 1", "\"taken\": -1"),
                                            with("\"taken\": 1", "\"taken\": 1e30"),
                                            with("\"one\"", "\"\\u001b[31m\""),
                                            with("\"one\"", "\"" + std::string(200, 'x') + "\""),
                                            with("\"one\"", "1")};
  for (const std::string& text : damaged) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    EXPECT_TRUE(open().timings().empty()) << text;
  }
  std::ofstream(path, std::ios::binary | std::ios::trunc) << whole;
  EXPECT_EQ(open().timings().size(), 1u);
  keep(timing("b", 1, 2));  // what could not be read is written anew
  EXPECT_EQ(open().timings().size(), 2u);
}

TEST_F(TimingsFileTest, AFolderThatCannotBeWrittenIsNoError) {
  TimingsFile file(folder_.write("file", "") / "below", info_);
  file.put(timing("a", 1, 2));
  EXPECT_NO_THROW(file.save());
  EXPECT_EQ(file.timings().size(), 1u);
}

}  // namespace
}  // namespace regroup::test
