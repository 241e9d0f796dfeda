// The small parts: normal forms, regular expressions, the prefix tree, base64, byte spelling.
#include "runtime/core/error.h"
#include "runtime/text/base64.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/prefix_tree.h"
#include "runtime/text/regex.h"
#include "runtime/text/unicode/normal_form.h"
#include "runtime/text/unicode/properties.h"
#include "tests/text/fixture.h"

namespace regroup {
namespace {

TEST(NormalForms, AreThoseOfTheReference) {
  const nlohmann::json fixture = read_fixture("normal_forms");
  const std::pair<const char*, NormalForm> forms[] = {{"NFC", {.compose = true, .compatible = false}},
                                                      {"NFD", {.compose = false, .compatible = false}},
                                                      {"NFKC", {.compose = true, .compatible = true}},
                                                      {"NFKD", {.compose = false, .compatible = true}}};
  for (const auto& [name, form] : forms) {
    for (std::size_t i = 0; i < fixture.at("texts").size(); ++i) {
      EXPECT_EQ(normalize_unicode(fixture.at("texts")[i].get<std::string>(), form),
                fixture.at(name)[i].get<std::string>())
          << name << " of text " << i;
    }
  }
}

std::vector<std::string> matches(const char* pattern, const std::string& text) {
  std::vector<std::string> found;
  for (const Regex::Match& match : Regex(pattern).find_all(text))
    found.push_back(text.substr(match.begin, match.end - match.begin));
  return found;
}

using Strings = std::vector<std::string>;

TEST(Regex, AgreesWithOniguruma) {
  EXPECT_EQ(matches(R"(\s+)", "a \xe1\xa0\x8e\xc2\xa0 b"), (Strings{" ", "\xc2\xa0 "}));  // U+180E is no space
  EXPECT_EQ(matches(R"([^\s]+)", "a\xe1\xa0\x8e z"), (Strings{"a\xe1\xa0\x8e", "z"}));
  EXPECT_EQ(matches(R"(\p{L}+)", "\xf0\x91\xbc\x84x1"),
            (Strings{"\xf0\x91\xbc\x84x"}));  // U+11F04, assigned in Unicode 15
  EXPECT_EQ(matches(R"([^\p{N}]+)",
                    "a\xf0\x9e\x93\xb1"
                    "b"),
            (Strings{"a", "b"}));  // U+1E4F1 is a digit since Unicode 15
  EXPECT_EQ(matches(R"(\P{L}+)", "a1-b"), (Strings{"1-"}));
  EXPECT_EQ(matches(R"((?i:'s))", "'S'\xc5\xbf"), (Strings{"'S", "'\xc5\xbf"}));  // the long s is an s
  EXPECT_EQ(matches(R"(\w+)", "a\xcc\x81_1-"), (Strings{"a\xcc\x81_1"}));         // marks are word characters
  EXPECT_EQ(matches(R"(\u0041|^b)", "A\nb"), (Strings{"A", "b"}));
}

TEST(Regex, FindsEmptyMatchesOnce) {
  const auto found = Regex("x*").find_all("axb");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[1].begin, 1u);
  EXPECT_EQ(found[1].end, 2u);
}

TEST(Regex, RefusesWhatItDoesNotTranslate) {
  for (const char* pattern :
       {"(", "[a", "[a[b]]", "[a&&b]", "\\", "\\h", "\\Kx", "[\\S]", "\\p", "\\p{Nope}", "\\u12", "[]", "a{2,1}"}) {
    EXPECT_THROW(Regex{pattern}, Error) << pattern;
  }
}

TEST(Regex, GivesUpOnPatternsMadeToExplode) {
  EXPECT_THROW(Regex("(?:a|aa)+\\d").find_all(std::string(64, 'a') + "b"), Error);
}

TEST(PrefixTree, FindsEveryPrefixShortestFirst) {
  const PrefixTree tree({{"a", 1}, {"abc", 2}, {"b", 3}, {"", 4}, {"ab", 5}, {"ab", 6}});
  std::vector<std::pair<std::size_t, std::uint32_t>> found;
  tree.each_prefix("xabcd", 1, [&](std::size_t length, std::uint32_t value) { found.emplace_back(length, value); });
  EXPECT_EQ(found, (std::vector<std::pair<std::size_t, std::uint32_t>>{{1, 1}, {2, 6}, {3, 2}}));
  EXPECT_TRUE(tree.can_start_with('b'));
  EXPECT_FALSE(tree.can_start_with('c'));
  EXPECT_FALSE(PrefixTree().can_start_with('a'));
}

TEST(Base64, DecodesAndRefuses) {
  const auto text = [](const char* encoded) {
    const auto bytes = decode_base64(encoded);
    return bytes ? std::string(bytes->begin(), bytes->end()) : "refused";
  };
  EXPECT_EQ(text("aGVsbG8="), "hello");
  EXPECT_EQ(text("aGVsbA=="), "hell");
  EXPECT_EQ(text(""), "");
  EXPECT_EQ(text("aGVs bG8="), "refused");
  EXPECT_EQ(text("aGVsb"), "refused");
}

TEST(ByteAlphabet, SpellsEveryByteAndBack) {
  std::string bytes;
  for (int byte = 0; byte < 256; ++byte) bytes += static_cast<char>(byte);
  EXPECT_EQ(unspell_bytes(spell_bytes(bytes)), bytes);
  EXPECT_EQ(spell_bytes(" \n"), "\xc4\xa0\xc4\x8a");
  EXPECT_EQ(unspell_bytes("a b"), std::nullopt);
  EXPECT_EQ(parse_byte_token("<0x0A>"), 10);
  for (const char* token : {"<0x0>", "<0xGG>", "<0x0A", "<0x0AB>", "<0x+A>", ""})
    EXPECT_EQ(parse_byte_token(token), std::nullopt) << token;
}

TEST(Spaces, AreCountedInBytesAtBothEnds) {
  EXPECT_EQ(leading_space_bytes(" \xe3\x80\x80x "), 4u);
  EXPECT_EQ(trailing_space_bytes("x\xe3\x80\x80\n"), 4u);
  EXPECT_EQ(trailing_space_bytes("\xe3\x80\x80"), 3u);
  EXPECT_EQ(leading_space_bytes(""), 0u);
}

}  // namespace
}  // namespace regroup
