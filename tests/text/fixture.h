// Recorded tokenizers and ids in tests/data/text (written by tests/tools/make_tokenizer_fixtures.py).
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "runtime/core/json.h"

namespace regroup {

inline std::string data_path(const std::string& name) {
  return std::string(REGROUP_SOURCE_DIR) + "/tests/data/text/" + name;
}

inline std::string read_data(const std::string& name) {
  std::ifstream file(data_path(name), std::ios::binary);
  EXPECT_TRUE(file.good()) << data_path(name);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline nlohmann::json read_fixture(const std::string& name) {
  return nlohmann::json::parse(read_data(name + ".json"));
}

// Long lists are recorded as their length, beginning and FNV-1a hash.
inline nlohmann::json packed(const std::vector<std::uint32_t>& ids) {
  if (ids.size() <= 60) return ids;
  std::uint64_t digest = 0xcbf29ce484222325u;
  for (const std::uint32_t id : ids) digest = (digest ^ id) * 0x100000001b3u;
  char hash[17];
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(digest));
  return {{"count", ids.size()}, {"first", std::vector<std::uint32_t>(ids.begin(), ids.begin() + 12)}, {"hash", hash}};
}

inline std::vector<std::string> recorded_texts() {
  return read_fixture("texts").at("texts");
}

inline std::string repeated(const std::string& unit, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += unit;
  return text;
}

// What `encode` makes of every recorded text and run, against the fixture. `comparable(text)` may leave texts out.
template <typename Encode, typename Comparable>
void expect_recorded_ids(const nlohmann::json& fixture, const Encode& encode, const Comparable& comparable) {
  const nlohmann::json all = read_fixture("texts");
  const auto& texts = all.at("texts");
  ASSERT_EQ(texts.size(), fixture.at("ids").size());
  std::size_t compared = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto text = texts[i].get<std::string>();
    if (!comparable(text)) continue;
    ++compared;
    EXPECT_EQ(packed(encode(text)), fixture.at("ids")[i]) << "text " << i << ": " << texts[i].dump(-1, ' ', true);
  }
  EXPECT_GT(compared, texts.size() / 2);
  for (std::size_t i = 0; i < all.at("runs").size(); ++i) {
    const auto& run = all.at("runs")[i];
    EXPECT_EQ(packed(encode(repeated(run[0], run[1]))), fixture.at("run_ids")[i]) << "run " << i;
  }
}

}  // namespace regroup
