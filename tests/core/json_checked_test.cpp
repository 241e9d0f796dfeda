// The checked JSON parser: what it reads, and that what it refuses is refused in one line naming file and place.
#include "runtime/core/json_checked.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "runtime/core/error.h"

namespace regroup {
namespace {

std::string refusal(const std::string& text, std::size_t max_bytes = kMaxJsonBytes) {
  try {
    parse_json_checked(text, "a\x1b.json", max_bytes);
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    const std::string message = error.what();
    EXPECT_EQ(message.rfind("a\\u{1b}.json: ", 0), 0u) << message;
    EXPECT_TRUE(std::all_of(message.begin(), message.end(), [](char c) {
      return static_cast<unsigned char>(c) >= 0x20;
    })) << message;
    EXPECT_LT(message.size(), 500u) << message;
    return message;
  }
}

bool refuses(const std::string& text, const std::string& says) {
  const std::string message = refusal(text);
  EXPECT_NE(message.find(says), std::string::npos) << message;
  return message != "accepted";
}

std::string nested(std::size_t depth) {
  return std::string(depth, '[') + std::string(depth, ']');
}

TEST(JsonChecked, ReadsWhatThePlainParserReads) {
  for (const char* text :
       {"null", "true", "-1", "1.5e3", "\"x\"", "[]", "{}",
        " {\"a\" : [1, {\"b\": null}, \"\\u00e9\"], \"c\": {\"a\": 2}} \n",
        "[18446744073709551615, -9223372036854775808]", "[[], {}, [[]]]", "{\"\": {\"\": {}}}", "\xef\xbb\xbf{}"}) {
    EXPECT_EQ(parse_json_checked(text, "x"), nlohmann::json::parse(text)) << text;
  }
  EXPECT_TRUE(parse_json_checked("[18446744073709551615]", "x")[0].is_number_unsigned());
}

TEST(JsonChecked, BoundsDepth) {
  EXPECT_NO_THROW(parse_json_checked(nested(kMaxJsonDepth), "x"));
  EXPECT_TRUE(refuses(nested(kMaxJsonDepth + 1), "line 1, column 65: nested deeper than 64 levels"));
  EXPECT_TRUE(refuses(std::string(10'000'000, '['), "nested deeper"));
  std::string objects;
  for (int i = 0; i < 1'000'000; ++i) objects += "{\"a\":";
  EXPECT_TRUE(refuses(objects, "nested deeper"));
}

TEST(JsonChecked, RefusesDuplicateKeysAtAnyDepth) {
  EXPECT_TRUE(refuses("{\"a\":1,\n\"a\":2}", "line 2, column 3: duplicate key 'a'"));
  EXPECT_TRUE(refuses("[{\"x\":{\"b\":1,\"c\":2,\"b\":{}}}]", "duplicate key 'b'"));
  EXPECT_TRUE(refuses("{\"a\":1,\"\\u0061\":2}", "duplicate key 'a'"));
  EXPECT_TRUE(refuses("{\"\\u001b\":1,\"\\u001b\":2}", "duplicate key '\\u{1b}'"));
  EXPECT_NO_THROW(parse_json_checked("[{\"a\":1},{\"a\":{\"a\":1}}]", "x"));
}

TEST(JsonChecked, RefusesWhatIsNotExactlyOneDocument) {
  EXPECT_TRUE(refuses("", "line 1, column 1"));
  EXPECT_TRUE(refuses("{} {}", "line 1, column 4"));
  EXPECT_TRUE(refuses("{}x", "expected end of input"));
  EXPECT_TRUE(refuses(std::string("{}\0", 3), "line 1, column 3: zero byte"));
  EXPECT_TRUE(refuses(std::string("{\"a\0\":1}", 8), "zero byte"));
  EXPECT_TRUE(refuses("{\"a\":1,}", "column 8"));
  EXPECT_TRUE(refuses("{\"a\":\n\n  tru}", "line 3, column"));
  EXPECT_TRUE(refuses("NaN", "column 1"));
  EXPECT_TRUE(refuses("[1e999]", "number overflow"));
  EXPECT_TRUE(refuses("[\"\xff\"]", "ill-formed UTF-8"));
  EXPECT_TRUE(refuses("[\"\x1b[2J\"]", "control character"));
  EXPECT_TRUE(refuses("[\"\\ud800\"]", "surrogate"));
  EXPECT_TRUE(refuses("// no\n{}", "invalid literal"));
}

TEST(JsonChecked, BoundsSize) {
  EXPECT_EQ(refusal("[1,2,3]", 7), "accepted");
  EXPECT_NE(refusal("[1,2,3]", 6).find("JSON of 7 bytes, at most 6 are allowed"), std::string::npos);
  EXPECT_NO_THROW(parse_json_checked("[1,2,[3]]", "x", 100, 5));
  EXPECT_THROW(parse_json_checked("[1,2,[3]]", "x", 100, 4), Error);
}

TEST(JsonChecked, WholeNumbersAreCheckedAgainstTheirLimit) {
  EXPECT_TRUE(is_whole_number(0u, 0));
  EXPECT_TRUE(is_whole_number(4294967295u, UINT32_MAX));
  EXPECT_TRUE(is_whole_number(UINT64_MAX, UINT64_MAX));
  for (const char* text : {"4294967296", "-1", "1.0", "4.5e20", "1e400", "\"1\"", "true", "null", "[1]"}) {
    EXPECT_FALSE(is_whole_number(nlohmann::json::parse(text, nullptr, false), UINT32_MAX)) << text;
  }
}

}  // namespace
}  // namespace regroup
