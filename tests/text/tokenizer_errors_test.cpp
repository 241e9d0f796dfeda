// Damaged and contradictory tokenizers end in an Error that names the trouble; damaged texts are tokenised all the
// same.
#include <chrono>

#include "runtime/core/error.h"
#include "runtime/text/hugging_face.h"
#include "runtime/text/sentencepiece_model.h"
#include "runtime/text/tokenizer.h"
#include "runtime/text/tokenizer_json.h"
#include "tests/text/fixture.h"

namespace regroup {
namespace {

using nlohmann::json;

Vocabulary small_vocabulary() {
  Vocabulary vocabulary;
  vocabulary.kind = VocabularyKind::kByteLevelBpe;
  vocabulary.pre_tokenizer = "gpt-2";
  vocabulary.tokens = {"a", "b", "ab", "<|end|>"};
  vocabulary.types = {TokenType::kNormal, TokenType::kNormal, TokenType::kNormal, TokenType::kControl};
  vocabulary.merges = {"a b"};
  return vocabulary;
}

void expect_bad(const Vocabulary& vocabulary, const std::string& word) {
  try {
    const Tokenizer tokenizer(vocabulary);
    FAIL() << "no error about " << word;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

TEST(TokenizerErrors, TheSmallVocabularyIsGood) {
  EXPECT_EQ(Tokenizer(small_vocabulary()).encode("abab<|end|>a"), (std::vector<std::uint32_t>{2, 2, 3, 0}));
}

TEST(TokenizerErrors, WithoutMergesTextIsItsBytes) {
  Vocabulary v = small_vocabulary();
  v.merges.clear();
  EXPECT_EQ(Tokenizer(v).encode("ab"), (std::vector<std::uint32_t>{0, 1}));
}

TEST(TokenizerErrors, RefusesContradictoryVocabularies) {
  Vocabulary v = small_vocabulary();
  v.tokens.clear();
  v.types.clear();
  expect_bad(v, "no tokens");
  v = small_vocabulary();
  v.types.pop_back();
  expect_bad(v, "token types");
  v = small_vocabulary();
  v.tokens[1] = "a";
  expect_bad(v, "both");
  v = small_vocabulary();
  v.eos = 4;
  expect_bad(v, "outside");
  v = small_vocabulary();
  v.eot = 0xffffffff;
  expect_bad(v, "outside");
  v = small_vocabulary();
  v.merges = {"ab"};
  expect_bad(v, "two parts");
  v = small_vocabulary();
  v.kind = VocabularyKind::kSentencePiece;
  expect_bad(v, "scores");
  v.scores = {0, 0, 0};
  expect_bad(v, "scores");
  v.scores = {0, 0, 0, std::numeric_limits<float>::quiet_NaN()};
  expect_bad(v, "finite");
  v.kind = VocabularyKind::kUnigram;
  v.scores = {0, 0, 0, 0};
  v.precompiled_charsmap = {1, 2};
  expect_bad(v, "character map");
  v.precompiled_charsmap = {0xfc, 0xff, 0xff, 0xff, 0};
  expect_bad(v, "character map");
}

TEST(TokenizerErrors, WarnsAboutWhatItDoesNotKnow) {
  Vocabulary v = small_vocabulary();
  v.pre_tokenizer = "brand-new\x1b";
  const Tokenizer tokenizer(v);
  EXPECT_NE(tokenizer.warning().find("brand-new"), std::string::npos);
  EXPECT_EQ(tokenizer.warning().find('\x1b'), std::string::npos);
  v = small_vocabulary();
  v.merges.push_back("b q");
  EXPECT_NE(Tokenizer(v).warning().find("merges"), std::string::npos);
}

TEST(TokenizerErrors, ChecksIdsAndTextLength) {
  const Tokenizer tokenizer(small_vocabulary());
  EXPECT_THROW(tokenizer.piece(4), Error);
  EXPECT_THROW(tokenizer.is_control(4), Error);
  EXPECT_THROW(tokenizer.decode(std::vector<std::uint32_t>{0, 4}), Error);
  EXPECT_THROW(tokenizer.encode(std::string(kMaxTextBytes + 1, 'a')), Error);
}

TEST(Tokenizer, TellsControlAndEndTokens) {
  Vocabulary v = small_vocabulary();
  v.tokens.push_back("</s>");  // ordinary text here, as in HTML
  v.types.push_back(TokenType::kUserDefined);
  v.eos = 0;
  const Tokenizer tokenizer(v);
  EXPECT_TRUE(tokenizer.is_control(3));
  EXPECT_FALSE(tokenizer.is_control(2));
  EXPECT_TRUE(tokenizer.is_end_of_generation(3));
  EXPECT_TRUE(tokenizer.is_end_of_generation(0));
  EXPECT_FALSE(tokenizer.is_end_of_generation(4));
  EXPECT_EQ(tokenizer.vocabulary_size(), 5u);
  EXPECT_EQ(tokenizer.find("ab"), 2u);
  EXPECT_FALSE(tokenizer.adds_bos());
}

TEST(Tokenizer, TreatsSpecialNamesAsTextWhenAsked) {
  const Tokenizer tokenizer(small_vocabulary());
  EXPECT_EQ(tokenizer.encode("a<|end|>b", {.parse_special = false}),
            (std::vector<std::uint32_t>{0, 1}));  // the rest has no tokens
}

TEST(Tokenizer, PutsBosAndEosAroundATextWhenTheModelAsks) {
  Vocabulary v = small_vocabulary();
  v.bos = 3;
  v.eos = 1;
  v.add_bos = v.add_eos = true;
  const Tokenizer tokenizer(v);
  EXPECT_TRUE(tokenizer.adds_bos());
  EXPECT_EQ(tokenizer.encode("a"), (std::vector<std::uint32_t>{3, 0, 1}));
  EXPECT_EQ(tokenizer.encode("a", {.add_special = false}), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(tokenizer.encode(""), (std::vector<std::uint32_t>{3, 1}));
}

Tokenizer fixture_tokenizer(const char* name) {
  return Tokenizer(
      spec_from_hugging_face({.tokenizer_json = read_fixture(name).at("tokenizer_json").get<std::string>()}));
}

// One U+FFFD for each maximal ill-formed part, as Python's errors="replace" and the WHATWG standard have it.
TEST(Tokenizer, CountsInvalidBytesAsReplacementCharacters) {
  const std::pair<std::string, std::string> cases[] = {
      {"\xff", "\xef\xbf\xbd"},
      {"a\x80z", "a\xef\xbf\xbdz"},
      {"\xe2\x82", "\xef\xbf\xbd"},
      {"\xe2\x82z\xf0\x9f\x98", "\xef\xbf\xbdz\xef\xbf\xbd"},
      {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xe2\x82\xac\xf8\xa1", "\xe2\x82\xac\xef\xbf\xbd\xef\xbf\xbd"},
  };
  for (const char* name : {"gpt2", "llama2", "smollm"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (const auto& [bytes, text] : cases) EXPECT_EQ(tokenizer.encode(bytes), tokenizer.encode(text)) << name;
  }
}

TEST(Tokenizer, SurvivesRandomBytes) {
  std::uint32_t chance = 99;
  for (const char* name : {"gpt2", "llama3", "qwen2", "smollm", "added_token_flags", "llama2", "gemma"}) {
    const Tokenizer tokenizer = fixture_tokenizer(name);
    for (int round = 0; round < 200; ++round) {
      std::string bytes;
      for (int i = 0; i < 40; ++i) {
        chance = chance * 1664525u + 1013904223u;
        bytes += static_cast<char>(chance >> 24);
      }
      EXPECT_EQ(tokenizer.encode(bytes).empty(), false);
    }
  }
}

// Tokens and character maps from a damaged file must not cut characters into parts that the next stage takes for valid
// UTF-8.
TEST(Tokenizer, KeepsTextValidBetweenItsStages) {
  Vocabulary v = small_vocabulary();
  v.tokens.insert(v.tokens.end(), {"\xa9", "\xc3", "\xc3\xa9"});
  v.types.insert(v.types.end(), 3, TokenType::kUserDefined);
  EXPECT_EQ(Tokenizer(v).encode("a\xc3\xa9"
                                "b\xc3\xa8"
                                "b"),
            (std::vector<std::uint32_t>{0, 6, 1, 1}));

  // A double array with the root's child 0xc3, whose value is the text at 0: "\xa9" without its first byte.
  std::vector<std::uint32_t> units(512, 0);
  units[0] = 0;                                  // the root's children begin at 0
  units[0xc3] = 0xc3u | 1u << 8 | 0x100u << 10;  // label, a value follows at 0xc3 ^ 0x100
  units[0xc3 ^ 0x100] = 0x80000000u;             // the text at 0
  std::vector<std::uint8_t> blob{0, 8, 0, 0};
  for (const std::uint32_t unit : units) {
    for (unsigned shift = 0; shift < 32; shift += 8) blob.push_back(static_cast<std::uint8_t>(unit >> shift));
  }
  blob.insert(blob.end(), {0xa9, 0});
  v = small_vocabulary();
  v.kind = VocabularyKind::kUnigram;
  v.scores = {0, 0, 0, 0};
  v.tokens[0] = "\xef\xbf\xbd";
  v.unk = 2;
  v.add_space_prefix = v.add_eos = false;
  v.precompiled_charsmap = blob;
  EXPECT_EQ(Tokenizer(v).encode("\xc3\xa9"), (std::vector<std::uint32_t>{0, 0}));
}

TEST(Tokenizer, TakesOneLongWordInNoTime) {
  const Tokenizer tokenizer = fixture_tokenizer("gpt2");
  const auto begin = std::chrono::steady_clock::now();
  tokenizer.encode(repeated("th", 200'000));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

void expect_json_error(const std::string& name, const std::string& word, const std::function<void(json&)>& change) {
  json document = json::parse(read_fixture(name).at("tokenizer_json").get<std::string>());
  change(document);
  try {
    const Tokenizer tokenizer(spec_from_hugging_face({.tokenizer_json = document.dump()}));
    FAIL() << "no error about " << word;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

TEST(TokenizerJsonErrors, NameTheField) {
  expect_json_error("gpt2", "model", [](json& j) { j.erase("model"); });
  expect_json_error("gpt2", "WordPiece", [](json& j) { j["model"]["type"] = "WordPiece"; });
  expect_json_error("gpt2", "no token", [](json& j) { j["model"]["merges"][0] = {"q", "nope"}; });
  expect_json_error("gpt2", "two parts", [](json& j) { j["model"]["merges"][0] = "only"; });
  expect_json_error("gpt2", "two parts", [](json& j) { j["model"]["merges"][0] = {"a", "b", "c"}; });
  expect_json_error("gpt2", "at most", [](json& j) { j["model"]["vocab"]["huge"] = 4294967295u; });
  expect_json_error("gpt2", "both", [](json& j) { j["model"]["vocab"]["again"] = 5; });
  expect_json_error("gpt2", "whole number", [](json& j) { j["model"]["vocab"]["text"] = "x"; });
  expect_json_error("gpt2", "whole number", [](json& j) { j["model"]["vocab"]["text"] = 4.5e20; });
  expect_json_error("gpt2", "end_of_word_suffix", [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; });
  expect_json_error("gpt2", "BertPreTokenizer", [](json& j) { j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}}; });
  expect_json_error("gpt2", "Lowercase", [](json& j) { j["normalizer"] = {{"type", "Lowercase"}}; });
  expect_json_error("gpt2", "Sideways", [](json& j) { j["post_processor"] = {{"type", "Sideways"}}; });
  expect_json_error("gpt2", "unk_token is no text", [](json& j) { j["model"]["unk_token"] = 5; });
  expect_json_error("gpt2", "be boolean", [](json& j) { j["model"]["byte_fallback"] = "yes"; });
  expect_json_error("gpt2", "added_tokens is no list", [](json& j) { j["added_tokens"] = json::object(); });
  expect_json_error("gpt2", "WordPiece", [](json& j) { j["decoder"] = {{"type", "WordPiece"}}; });
  expect_json_error("gpt2", "CTC", [](json& j) {
    j["decoder"] = {{"type", "Sequence"}, {"decoders", {{{"type", "Metaspace"}}, {{"type", "CTC"}}}}};
  });
  expect_json_error("gpt2", "tokenizer.json", [](json& j) { j["decoder"] = 5; });
  expect_json_error("gpt2", "not one character", [](json& j) {
    j["pre_tokenizer"] = {{"type", "Metaspace"}, {"replacement", "xyz"}};
  });
  expect_json_error("llama3", "regular expression",
                    [](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "(a"; });
  expect_json_error("llama3", "class",
                    [](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = "[a[b]]"; });
  expect_json_error("llama3", "Everywhere",
                    [](json& j) { j["pre_tokenizer"]["pretokenizers"][0]["behavior"] = "Everywhere"; });
  expect_json_error("t5", "base64", [](json&) {});  // the place-holder for the character map is no base64
}

TEST(TokenizerJsonErrors, FilesBesideItAreChecked) {
  const auto text = read_fixture("gpt2").at("tokenizer_json").get<std::string>();
  const auto says = [&](const char* tokenizer_config, const char* generation_config) -> std::string {
    try {
      spec_from_hugging_face({.tokenizer_json = text,
                              .tokenizer_config_json = tokenizer_config,
                              .generation_config_json = generation_config});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      return error.what();
    }
    return "accepted";
  };
  for (const char* ids : {"\"x\"", "-1", "2.0", "1e99", "[1, \"a\"]", "[[1]]", "{\"a\": 1}", "true"}) {
    const std::string message = says("{}", fmt::format(R"({{"eos_token_id": {}}})", ids).c_str());
    EXPECT_NE(message.find("generation_config.json: eos_token_id is"), std::string::npos) << ids << ": " << message;
  }
  for (const char* ids : {"null", "2", "[]", "[2, 7]", "999999"}) {
    EXPECT_EQ(says("{}", fmt::format(R"({{"eos_token_id": {}}})", ids).c_str()), "accepted") << ids;
  }
  EXPECT_NE(says(R"({"add_bos_token": "yes"})", "{}").find("be boolean"), std::string::npos);
  EXPECT_NE(says(R"({"bos_token": 5})", "{}").find("be string"), std::string::npos);
  EXPECT_EQ(says(R"({"add_bos_token": null, "bos_token": null})", "{}"), "accepted");
}

TEST(TokenizerJsonErrors, SurviveDamage) {
  std::uint32_t chance = 4711;
  const auto next = [&](std::size_t below) {
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % below;
  };
  for (const char* name : {"gpt2", "llama3", "llama2"}) {
    const auto whole = read_fixture(name).at("tokenizer_json").get<std::string>();
    for (int round = 0; round < 60; ++round) {
      std::string text = whole;
      if (round % 3 == 0) {
        text.resize(next(text.size()));
      } else {
        for (std::size_t changes = 1 + next(5); changes > 0; --changes)
          text[next(text.size())] = "{}[],:\"0a\\-"[next(11)];
      }
      try {
        Tokenizer(spec_from_hugging_face({.tokenizer_json = text})).encode("some text");
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::kBadModel) << error.what();
      }
    }
  }
}

TEST(SentencePieceModelErrors, SurviveDamage) {
  const std::string whole = read_data("sentencepiece_bpe.model");
  std::uint32_t chance = 815;
  const auto next = [&](std::size_t below) {
    chance = chance * 1664525u + 1013904223u;
    return (chance >> 8) % below;
  };
  int refused = 0;
  for (int round = 0; round < 600; ++round) {
    std::string bytes = whole;
    if (round % 2 == 0) {
      bytes.resize(next(bytes.size()));
    } else {
      for (std::size_t changes = 1 + next(5); changes > 0; --changes)
        bytes[next(bytes.size())] = static_cast<char>(next(256));
    }
    try {
      Tokenizer(spec_from_hugging_face({.sentencepiece_model = std::as_bytes(std::span(bytes))})).encode("some text");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel) << error.what();
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(HuggingFace, ReadsNamesFlagsAndTemplatesFromTheConfig) {
  const auto text = read_fixture("qwen2").at("tokenizer_json").get<std::string>();
  const TokenizerSpec spec = spec_from_hugging_face(
      {.tokenizer_json = text,
       .tokenizer_config_json =
           R"({"bos_token": {"content": "<|im_start|>"}, "eos_token": "<|endoftext|>", "add_bos_token": true,
                                    "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]})",
       .generation_config_json = R"({"eos_token_id": [2, 7]})"});
  const Tokenizer tokenizer(spec);
  EXPECT_EQ(tokenizer.chat_template(), "d");
  EXPECT_EQ(tokenizer.bos(), tokenizer.find("<|im_start|>"));
  EXPECT_TRUE(tokenizer.adds_bos());  // qwen2's tokenizer.json has no post-processor, so that the flag counts
  EXPECT_TRUE(tokenizer.is_end_of_generation(7));
  EXPECT_TRUE(tokenizer.is_end_of_generation(*tokenizer.eos()));
  EXPECT_FALSE(tokenizer.is_end_of_generation(20));
}

TEST(HuggingFace, NeedsAVocabulary) {
  EXPECT_THROW(spec_from_hugging_face({}), Error);
}

}  // namespace
}  // namespace regroup
