// SHA-256 against the digests of FIPS 180-4's examples, and against itself however the bytes are cut.
#include "runtime/core/sha256.h"

#include <gtest/gtest.h>

#include <string_view>

namespace regroup::test {
namespace {

std::string digest(std::string_view text, std::size_t step) {
  Sha256 hash;
  for (std::size_t at = 0; at < text.size(); at += step) {
    hash.add(std::as_bytes(std::span(text.substr(at, step))));
  }
  return hash.finish();
}

TEST(Sha256Test, PublishedDigests) {
  EXPECT_EQ(digest("", 1), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest("abc", 1), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(digest(std::string(1000000, 'a'), 1000000),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, CutsDoNotMatter) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7 + i / 256);
  for (std::size_t length = 0; length <= 200; ++length) {
    const std::string_view part = std::string_view(text).substr(0, length);
    const std::string whole = digest(part, 1000);
    for (const std::size_t step : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}}) {
      EXPECT_EQ(digest(part, step), whole) << length;
    }
  }
}

TEST(Sha256Test, TwoAtOnceAreThoseOfEach) {
  std::string text;
  for (int i = 0; i < 3000; ++i) text += static_cast<char>(i * 11 + i / 256);
  const std::string_view all = text;
  for (const std::size_t first : {0, 1, 63, 64, 65, 640, 1500}) {
    for (const std::size_t second : {0, 64, 100, 639, 1500}) {
      for (const std::size_t begun : {0, 5}) {  // bytes that the first one has before
        Sha256 a, b;
        a.add(std::as_bytes(std::span(all.substr(0, begun))));
        add_to_both(a, std::as_bytes(std::span(all.substr(begun, first))), b,
                    std::as_bytes(std::span(all.substr(1500, second))));
        EXPECT_EQ(a.finish(), digest(all.substr(0, begun + first), 3000)) << first << " " << second;
        EXPECT_EQ(b.finish(), digest(all.substr(1500, second), 3000)) << first << " " << second;
      }
    }
  }
}

}  // namespace
}  // namespace regroup::test
