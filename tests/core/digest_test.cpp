// The digest against what xxhsum prints, and against itself however the bytes are cut.
#include "runtime/core/digest.h"

#include <gtest/gtest.h>

namespace regroup::test {
namespace {

TEST(DigestTest, IsWhatXxhsumPrints) {
  EXPECT_EQ(digest_of(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(digest_of("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(digest_of(std::string(1000000, 'a')), "a545df8e384a9579b1fd6fae5285c4eb");
}

TEST(DigestTest, CutsDoNotMatter) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>(i * 7 + i / 256);
  for (const std::size_t length : {0, 1, 3, 16, 17, 128, 129, 240, 241, 1024, 1025, 3000}) {
    const std::string_view part = std::string_view(text).substr(0, length);
    for (const std::size_t step : {1, 63, 64, 255, 256, 257}) {
      Digest digest;
      for (std::size_t at = 0; at < length; at += step) digest.add(std::as_bytes(std::span(part.substr(at, step))));
      EXPECT_EQ(digest.finish(), digest_of(part)) << length << " in steps of " << step;
    }
  }
}

TEST(DigestTest, EveryByteCounts) {
  std::string text(300, 'x');
  const std::string whole = digest_of(text);
  for (char& c : text) {
    c = 'y';
    EXPECT_NE(digest_of(text), whole);
    c = 'x';
  }
}

}  // namespace
}  // namespace regroup::test
