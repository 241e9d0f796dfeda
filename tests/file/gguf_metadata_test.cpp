// The typed getters: what they convert, what they refuse and how they say it.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "runtime/file/gguf_metadata.h"
#include "tests/file/file_support.h"

namespace regroup::test {
namespace {

GgufMetadata with(GgufValue value) {
  GgufMetadata m("m.gguf");
  m.set("k", std::move(value));
  return m;
}

TEST(GgufMetadata, IntegersOfAnyTypeFitOrAreRefused) {
  EXPECT_EQ(with(std::uint8_t{255}).get_u32("k"), 255u);
  EXPECT_EQ(with(std::int64_t{7}).get_u32("k"), 7u);
  EXPECT_EQ(with(std::uint64_t{0xffffffff}).get_u32("k"), 0xffffffffu);
  EXPECT_EQ(with(std::int32_t{-5}).get_i32("k"), -5);
  expect_bad_model("m.gguf", "key 'k' is 4294967296 (uint64), expected an unsigned 32-bit integer",
                   [] { with(std::uint64_t{1} << 32).get_u32("k"); });
  expect_bad_model("m.gguf", "key 'k' is -1 (int8), expected", [] { with(std::int8_t{-1}).get_u32("k"); });
  expect_bad_model("m.gguf", "key 'k' is 2147483648 (uint32), expected a 32-bit integer",
                   [] { with(std::uint32_t{1} << 31).get_i32("k"); });
  expect_bad_model("m.gguf", "is true (bool)", [] { with(true).get_u32("k"); });
  expect_bad_model("m.gguf", "(float32)", [] { with(2.0F).get_u32("k"); });
  expect_bad_model("m.gguf", "is the string 'x\\u{1b}'", [] { with(std::string("x\x1b")).get_u32("k"); });
  expect_bad_model("m.gguf", "is an array of 1 uint8",
                   [] { with(GgufArray{std::vector<std::uint8_t>{1}}).get_u32("k"); });
}

TEST(GgufMetadata, FloatsAreFinite) {
  EXPECT_EQ(with(1.5F).get_f32("k"), 1.5F);
  EXPECT_EQ(with(0.1).get_f32("k"), 0.1F);
  for (const GgufValue& value : {GgufValue(std::nanf("")), GgufValue(std::numeric_limits<float>::infinity()),
                                 GgufValue(1e300), GgufValue(std::uint32_t{1}), GgufValue(std::string("1.5"))}) {
    expect_bad_model("m.gguf", "expected a finite 32-bit float", [&] { with(value).get_f32("k"); });
  }
}

TEST(GgufMetadata, MissingKeysAreNamedOnlyWhenNeeded) {
  const GgufMetadata m("m.gguf");
  EXPECT_FALSE(m.find_u32("k") || m.find_f32("k") || m.find_bool("k") || m.find_string("k") || m.find_strings("k") ||
               m.find_u32s("k"));
  const std::function<void()> gets[] = {[&] { m.get_u32("k"); },  [&] { m.get_u64("k"); },  [&] { m.get_i32("k"); },
                                        [&] { m.get_f32("k"); },  [&] { m.get_bool("k"); }, [&] { m.get_string("k"); },
                                        [&] { m.get_u32s("k"); }, [&] { m.get_f32s("k"); }, [&] { m.get_strings("k"); },
                                        [&] { m.get_i32s("k"); }};
  for (const auto& get : gets) expect_bad_model("m.gguf", "key 'k' is missing", get);
}

TEST(GgufMetadata, ArraysAreConvertedElementByElement) {
  const GgufMetadata numbers = with(GgufArray{std::vector<std::int64_t>{1, 2, 300}});
  EXPECT_EQ(numbers.get_u32s("k"), (std::vector<std::uint32_t>{1, 2, 300}));
  EXPECT_TRUE(numbers.is_array("k"));
  expect_bad_model("m.gguf", "has -1 at position 1", [] {
    with(GgufArray{std::vector<std::int8_t>{1, -1}}).get_u32s("k");
  });
  expect_bad_model("m.gguf", "an array of 2 bool", [] {
    with(GgufArray{std::vector<bool>{true, false}}).get_u32s("k");
  });
  expect_bad_model("m.gguf", "expected an array of floats", [&] { numbers.get_f32s("k"); });
  expect_bad_model("m.gguf", "expected an array of strings", [&] { numbers.get_strings("k"); });
  expect_bad_model("m.gguf", "is 1 (uint32), expected an array", [] { with(std::uint32_t{1}).get_u32s("k"); });
  // Writers give empty arrays any element type.
  const GgufMetadata empty = with(GgufArray{std::vector<float>{}});
  EXPECT_TRUE(empty.get_u32s("k").empty());
  EXPECT_TRUE(empty.get_strings("k").empty());
}

TEST(GgufMetadata, KeepsItsOrderWhenChanged) {
  GgufMetadata m;
  for (const char* key : {"c", "a", "b"}) EXPECT_TRUE(m.add(key, std::uint32_t{1}));
  EXPECT_FALSE(m.add("a", std::uint32_t{2}));
  m.set("a", std::uint32_t{3});
  m.erase("c");
  m.erase("none");
  m.set("d", std::string("x"));
  ASSERT_EQ(m.entries().size(), 3u);
  EXPECT_EQ(m.entries()[0].key, "a");
  EXPECT_EQ(m.entries()[2].key, "d");
  EXPECT_EQ(m.get_u32("a"), 3u);
  EXPECT_EQ(m.get_u32("b"), 1u);
  EXPECT_EQ(m.get_string("d"), "x");
  EXPECT_FALSE(m.contains("c"));
}

}  // namespace
}  // namespace regroup::test
