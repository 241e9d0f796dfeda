// Files that only save work: whatever is wrong with one, it counts as absent, and nothing is thrown.
#include "runtime/file/json_cache.h"

#include <gtest/gtest.h>

#include <fstream>

#include "runtime/core/json.h"
#include "tests/file/file_support.h"

namespace regroup::test {
namespace {

constexpr std::size_t kMostBytes = 100;

void put(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

bool reads(const std::filesystem::path& path, const nlohmann::json& expected) {
  nlohmann::json found;
  const bool whole = read_json_cache(path, kMostBytes, [&](const nlohmann::json& json) { found = json; });
  return whole && found == expected;
}

bool counts_as_absent(const std::filesystem::path& path) {
  bool taken = false;
  return !read_json_cache(path, kMostBytes, [&](const nlohmann::json&) { taken = true; }) && !taken;
}

TEST(JsonCache, WhatIsWrittenIsRead) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "made" / "too" / "cache.json";
  write_json_cache(path, R"({"a": 1})");
  EXPECT_TRUE(reads(path, {{"a", 1}}));
  write_json_cache(path, "[2]");
  EXPECT_TRUE(reads(path, nlohmann::json::array({2})));
}

TEST(JsonCache, DamagedFilesCountAsAbsent) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "cache.json";
  EXPECT_TRUE(counts_as_absent(path));
  EXPECT_TRUE(counts_as_absent(folder.path()));
  for (const std::string& text : {std::string(), std::string("{\"a\": "), std::string("{\"a\": 1, \"a\": 2}"),
                                  std::string("\0[1]", 4), std::string("[1] behind"), std::string(1000, '[')}) {
    put(path, text);
    EXPECT_TRUE(counts_as_absent(path)) << text;
  }
  put(path, "[" + std::string(kMostBytes - 2, ' ') + "]");
  EXPECT_TRUE(reads(path, nlohmann::json::array()));
  put(path, "[" + std::string(kMostBytes - 1, ' ') + "]");
  EXPECT_TRUE(counts_as_absent(path)) << "one byte too long";
}

TEST(JsonCache, ADocumentOfAnotherFormCountsAsAbsent) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "cache.json";
  put(path, R"({"a": "text"})");
  EXPECT_FALSE(read_json_cache(path, kMostBytes, [](const nlohmann::json& json) { json.at("b"); }));
  EXPECT_FALSE(read_json_cache(path, kMostBytes, [](const nlohmann::json& json) { json.at("a").get<int>(); }));
}

TEST(JsonCache, WhatCannotBeWrittenIsNotWritten) {
  const TemporaryFolder folder;
  put(folder.path() / "file", "");
  const auto path = folder.path() / "file" / "cache.json";
  EXPECT_NO_THROW(write_json_cache(path, "[1]"));
  EXPECT_TRUE(counts_as_absent(path));
}

}  // namespace
}  // namespace regroup::test
