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

// Recorded from tokenizers 0.23.3.
TEST(Regex, ReadsIntervalsAsOniguruma) {
  EXPECT_EQ(matches(R"(\p{N}{1,3}+)", "1234567 89"), (Strings{"1234567", "89"}));  // a repeated group, not possessive
  EXPECT_EQ(matches("a{2,}+a", "aaaaaaab"), (Strings{"aaaaaaa"}));
  EXPECT_EQ(matches("(?:a|b){1,2}+a", "abbaabab"), (Strings{"abbaaba"}));
  EXPECT_EQ(matches("(ab){1,2}+c", "ababababc"), (Strings{"ababababc"}));
  EXPECT_EQ(matches(R"([\]a]{1,2}+)", "]]a]a"), (Strings{"]]a]a"}));
  EXPECT_EQ(matches("\xc3\xa9{1,2}+", "\xc3\xa9\xc3\xa9\xc3\xa9"), (Strings{"\xc3\xa9\xc3\xa9\xc3\xa9"}));
  EXPECT_EQ(matches("xa{2}?", "xaaxa"), (Strings{"xaa", "x"}));  // one or none, not lazy
  EXPECT_EQ(matches("a{1,2}?", "aa"), (Strings{"a", "a"}));
  EXPECT_EQ(matches("xa{,2}", "xaaax"), (Strings{"xaa", "x"}));
  EXPECT_EQ(matches("xa{,2}+", "xaaax"), (Strings{"xaaa", "x"}));
  EXPECT_EQ(matches("a{,}|a{x}", "a{,}a{x}"), (Strings{"a{,}", "a{x}"}));  // no intervals
  EXPECT_EQ(matches(R"(a\{1,2}+)", "a{1,2}}"), (Strings{"a{1,2}}"}));
  EXPECT_THROW(Regex("a{1,2}++"), Error);
  EXPECT_THROW(Regex("a{2}+?"), Error);
}

TEST(Regex, ReadsOptionsAndPropertiesAsOniguruma) {
  EXPECT_EQ(matches("(?m)a.b", "a\nb"), (Strings{"a\nb"}));  // m is for the dot
  EXPECT_EQ(matches("(?im:A.b)", "a\nb"), (Strings{"a\nb"}));
  EXPECT_EQ(matches("(?i-m)A.b", "a\nb axb"), (Strings{"axb"}));
  EXPECT_EQ(matches("^b$", "a\nb\nc"), (Strings{"b"}));
  // The ideographic comma and the mark of long vowels are used in several scripts and belong to none.
  EXPECT_EQ(matches(R"(\p{Han}+)", "\xe6\xbc\xa2\xe3\x80\x81\xe3\x83\xbc"), (Strings{"\xe6\xbc\xa2"}));
  EXPECT_EQ(matches(R"([\p{Katakana}]+)", "\xe3\x82\xab\xe3\x83\xbc"), (Strings{"\xe3\x82\xab"}));
  EXPECT_EQ(matches(R"(\P{Hani})", "\xe6\xbc\xa2\xe3\x80\x81"), (Strings{"\xe3\x80\x81"}));
  EXPECT_EQ(matches(R"(\p{Alphabetic}+)", "ab1"), (Strings{"ab"}));
  // Of the numbers that are no digits only Latin-1's; circled letters, not circled digits; letters of Unicode 15.
  EXPECT_EQ(matches(R"(\w+)", "\xc2\xb2\xc2\xbc-\xe2\x93\x90-\xe2\x91\xa0-\xf0\x91\xbc\x84"),
            (Strings{"\xc2\xb2\xc2\xbc", "\xe2\x93\x90", "\xf0\x91\xbc\x84"}));
}

TEST(Regex, SegmentsAreTheMatchesOfClusters) {
  const std::string de = "\xf0\x9f\x87\xa9\xf0\x9f\x87\xaa", family = "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9";
  for (const std::string& text :
       {repeated(de, 50), de.substr(0, 4) + "a" + repeated(de, 3) + de.substr(4) + "\xcc\x81" + de,
        family + family + de + family, std::string("\r\n\r a\n\xcc\x81"), std::string(),
        repeated("\xe1\x84\x80\xe1\x85\xa1\xe1\x86\xa8", 4)}) {
    const Regex cluster("\\X");
    const auto all = cluster.find_all(text), segments = cluster.find_segments(text);
    ASSERT_EQ(all.size(), segments.size()) << text;
    for (std::size_t i = 0; i < all.size(); ++i) {
      EXPECT_EQ(all[i].begin, segments[i].begin) << text;
      EXPECT_EQ(all[i].end, segments[i].end) << text;
    }
  }
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
