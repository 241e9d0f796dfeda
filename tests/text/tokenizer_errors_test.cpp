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

TEST(TokenizerErrors, RefusesUnknownWaysToSplitWords) {
  Vocabulary v = small_vocabulary();
  v.pre_tokenizer = "brand-new\x1b";
  expect_bad(v, "key 'tokenizer.ggml.pre' is 'brand-new\\u{1b}'");
  v.pre_tokenizer.clear();  // old files name none
  EXPECT_EQ(Tokenizer(v).encode("ab"), (std::vector<std::uint32_t>{2}));
}

TEST(TokenizerErrors, BoundsTheLengthOfTokens) {
  Vocabulary v = small_vocabulary();
  v.tokens[3] = std::string(64 << 10, 'x');
  EXPECT_EQ(Tokenizer(v).encode(v.tokens[3]), (std::vector<std::uint32_t>{3}));
  v.tokens[3] += 'x';
  expect_bad(v, "token 3 has 65537 bytes, at most 65536");
  v = small_vocabulary();
  for (int i = 0; i < 513; ++i) {
    v.tokens.push_back(fmt::format("{:065536}", i));
    v.types.push_back(TokenType::kNormal);
  }
  expect_bad(v, "the tokens have 336");
}

TEST(TokenizerErrors, WarnsAboutMergesThatNameNoTokens) {
  Vocabulary v = small_vocabulary();
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

// A double array with the root's child `byte`, whose value is `text`.
std::vector<std::uint8_t> one_entry_charsmap(std::uint32_t byte, std::string_view text) {
  std::vector<std::uint32_t> units(512, 0);     // the root's children begin at 0
  units[byte] = byte | 1u << 8 | 0x100u << 10;  // label, a value follows at byte ^ 0x100
  units[byte ^ 0x100] = 0x80000000u;            // the text at 0
  std::vector<std::uint8_t> blob{0, 8, 0, 0};
  for (const std::uint32_t unit : units) {
    for (unsigned shift = 0; shift < 32; shift += 8) blob.push_back(static_cast<std::uint8_t>(unit >> shift));
  }
  blob.insert(blob.end(), text.begin(), text.end());
  blob.push_back(0);
  return blob;
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

  v = small_vocabulary();
  v.kind = VocabularyKind::kUnigram;
  v.scores = {0, 0, 0, 0};
  v.tokens[0] = "\xef\xbf\xbd";
  v.unk = 2;
  v.add_space_prefix = v.add_eos = false;
  v.precompiled_charsmap = one_entry_charsmap(0xc3, "\xa9");  // without its first byte
  EXPECT_EQ(Tokenizer(v).encode("\xc3\xa9"), (std::vector<std::uint32_t>{0, 0}));
}

TEST(Tokenizer, StopsCharacterMapsThatBlowUp) {
  Vocabulary v = small_vocabulary();
  v.kind = VocabularyKind::kUnigram;
  v.scores = {0, 0, 0, 0};
  v.unk = 2;
  v.precompiled_charsmap = one_entry_charsmap('a', std::string(100'000, 'b'));
  try {
    Tokenizer(v).encode("aaaa");
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    EXPECT_NE(std::string(error.what()).find("makes far too much text of 4 bytes"), std::string::npos) << error.what();
  }
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
  expect_json_error("gpt2", "model.vocab.again says that token 5 is \"again\"",
                    [](json& j) { j["model"]["vocab"]["again"] = 5; });
  expect_json_error("gpt2", "whole number", [](json& j) { j["model"]["vocab"]["text"] = "x"; });
  expect_json_error("gpt2", "whole number", [](json& j) { j["model"]["vocab"]["text"] = 4.5e20; });
  expect_json_error("gpt2", "end_of_word_suffix", [](json& j) { j["model"]["end_of_word_suffix"] = "</w>"; });
  expect_json_error("gpt2", "BertPreTokenizer", [](json& j) { j["pre_tokenizer"] = {{"type", "BertPreTokenizer"}}; });
  expect_json_error("gpt2", "Lowercase", [](json& j) { j["normalizer"] = {{"type", "Lowercase"}}; });
  expect_json_error("gpt2", "Sideways", [](json& j) { j["post_processor"] = {{"type", "Sideways"}}; });
  expect_json_error("gpt2", "tokenizer.json: model.unk_token is 5, expected a text",
                    [](json& j) { j["model"]["unk_token"] = 5; });
  expect_json_error("gpt2", "model.byte_fallback is \"yes\", expected true or false",
                    [](json& j) { j["model"]["byte_fallback"] = "yes"; });
  expect_json_error("gpt2", "added_tokens is an object, expected a list",
                    [](json& j) { j["added_tokens"] = json::object(); });
  expect_json_error("gpt2", "WordPiece", [](json& j) { j["decoder"] = {{"type", "WordPiece"}}; });
  expect_json_error("gpt2", "CTC", [](json& j) {
    j["decoder"] = {{"type", "Sequence"}, {"decoders", {{{"type", "Metaspace"}}, {{"type", "CTC"}}}}};
  });
  expect_json_error("gpt2", "tokenizer.json: decoder is 5, expected an object", [](json& j) { j["decoder"] = 5; });
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

// Every field of tokenizer.json that is read, of a wrong type, missing or null.
TEST(TokenizerJsonErrors, NameTheWholePath) {
  struct Case {
    const char *pointer, *value, *says;
  };
  const Case cases[] = {
      {"/normalizer", R"("x")", "normalizer is \"x\", expected an object"},
      {"/normalizer", "[]", "normalizer is a list, expected an object"},
      {"/normalizer", "{}", "normalizer.type is missing"},
      {"/normalizer", R"({"type":7})", "normalizer.type is 7, expected a text"},
      {"/normalizer", R"({"type":"Sequence","normalizers":null})", "normalizer.normalizers is null, expected a list"},
      {"/normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFC"},null]})",
       "normalizer.normalizers[1] is null, expected an object"},
      {"/normalizer", R"({"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lower\u001b"}]})",
       "normalizer.normalizers[1].type is \"Lower\\u{1b}\", which is not supported"},
      {"/normalizer", R"({"type":"Replace","pattern":{"String":1},"content":""})", "normalizer.pattern.String is 1"},
      {"/normalizer", R"({"type":"Replace","pattern":{"String":"a"}})", "normalizer.content is missing"},
      {"/normalizer", R"({"type":"Strip","strip_left":null})", "normalizer.strip_left is null, expected true or false"},
      {"/normalizer", R"({"type":"Precompiled","precompiled_charsmap":"*"})",
       "normalizer.precompiled_charsmap is no base64"},
      {"/pre_tokenizer", R"({"type":"Sequence","pretokenizers":null})", "pre_tokenizer.pretokenizers is null"},
      {"/pre_tokenizer", R"({"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"ByteLevel"}]})",
       "pre_tokenizer.pretokenizers[1] is a step behind ByteLevel"},
      {"/pre_tokenizer", R"({"type":"Split","pattern":{"String":"a"},"behavior":"Up"})",
       "pre_tokenizer.behavior is \"Up\", which is not supported"},
      {"/pre_tokenizer", R"({"type":"Metaspace","prepend_scheme":"Up"})", "pre_tokenizer.prepend_scheme is \"Up\""},
      {"/pre_tokenizer/add_prefix_space", R"("yes")", "pre_tokenizer.add_prefix_space is \"yes\", expected true or"},
      {"/post_processor", R"({"type":"Sequence","processors":null})", "post_processor.processors is null"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"x"}}],"special_tokens":{}})",
       "post_processor.special_tokens.x is missing"},
      {"/post_processor", R"({"type":"TemplateProcessing","single":[],"special_tokens":null,"pair":[]})", "accepted"},
      {"/post_processor", R"({"type":"BertProcessing","cls":["x"],"sep":["x",1]})",
       "post_processor.cls has 1 entries, expected at least 2"},
      {"/decoder", R"({"type":"Sequence","decoders":null})", "decoder.decoders is null, expected a list"},
      {"/decoder", R"({"type":"Strip","content":" ","start":"1"})", "decoder.start is \"1\", expected a number"},
      {"/model", "null", "model is null, expected an object"},
      {"/model/vocab", "[]", "model.vocab is a list, expected an object"},
      {"/model/vocab", R"({"a b\n":-1})", "model.vocab[\"a b\\u{a}\"] is -1, expected a token's id, a whole number"},
      {"/model/merges", "null", "model.merges is null, expected a list"},
      {"/model/merges", "{}", "model.merges is an object, expected a list"},
      {"/model/merges/3", "5", "model.merges[3] is 5, expected a text"},
      {"/model/merges/3", "null", "model.merges[3] is null, expected a text"},
      {"/model/merges/3", R"(["h",5])", "model.merges[3][1] is 5, expected a text"},
      {"/model/merges/3", R"("he")", "model.merges[3] is \"he\", which does not have two parts"},
      {"/model/merges/3", R"("h qqqq")", "model.merges[3] names \"qqqq\", which is no token"},
      {"/model/dropout", R"("0.1")", "model.dropout is \"0.1\", expected a number"},
      {"/added_tokens/0", R"({"content":"zz"})", "added_tokens[0].id is missing"},
      {"/added_tokens/0", R"({"id":3,"content":9})", "added_tokens[0].content is 9, expected a text"},
      {"/added_tokens/0", R"({"id":3,"content":"zz","special":"no"})", "added_tokens[0].special is \"no\""},
  };
  const json good = json::parse(read_fixture("gpt2").at("tokenizer_json").get<std::string>());
  for (const Case& c : cases) {
    json document = good;
    document[json::json_pointer(c.pointer)] = json::parse(c.value);
    std::string says = "accepted";
    try {
      spec_from_hugging_face({.tokenizer_json = document.dump()});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      says = error.what();
      EXPECT_TRUE(says.starts_with("tokenizer.json: ")) << says;
    }
    EXPECT_NE(says.find(c.says), std::string::npos) << c.pointer << " = " << c.value << ": " << says;
    EXPECT_EQ(says.find('\n'), std::string::npos) << says;
    EXPECT_EQ(says.find("json.exception"), std::string::npos) << says;
  }
}

// Files of a few kilobytes that make gigabytes of one letter.
TEST(TokenizerJsonErrors, StopTextsThatGrow) {
  const json good = json::parse(read_fixture("gpt2").at("tokenizer_json").get<std::string>());
  const auto chain = [](const char* kind, const char* pattern, std::size_t times, std::size_t steps) {
    json list = json::array();
    for (std::size_t i = 0; i < steps; ++i) {
      list.push_back({{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", std::string(times, 'a')}});
    }
    return json{{"type", "Sequence"}, {"normalizers", list}};
  };
  const auto says = [](const json& document) -> std::string {
    try {
      TokenizerSpec spec = spec_from_hugging_face({.tokenizer_json = document.dump()});
      spec.source = "the-file";
      Tokenizer(std::move(spec)).encode("a");
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      return error.what();
    }
    return "accepted";
  };
  const auto with = [&](const char* stage, const json& steps) {
    json document = good;
    document[stage] = steps;
    return document;
  };
  const std::string refusal = "the-file: tokenizer: its normalizer or pre_tokenizer makes far too much text of 1 bytes";
  const auto begin = std::chrono::steady_clock::now();
  for (const json& steps : {chain("String", "a", 1000, 4), chain("Regex", "a", 1000, 4), chain("Regex", "", 1, 40),
                            chain("Regex", "(?=x)|", 1, 40), chain("String", "a", 1, 257),
                            json{{"type", "Prepend"}, {"prepend", std::string(70000, 'a')}}}) {
    const std::string message = says(with("normalizer", steps));
    EXPECT_TRUE(message.starts_with(refusal) || message.find("has 257 steps") != std::string::npos) << message;
  }
  json doubling = json::array();
  for (int i = 0; i < 40; ++i) {
    doubling.push_back({{"type", "Split"}, {"pattern", {{"Regex", "."}}}, {"behavior", "Isolated"}, {"invert", false}});
    doubling.push_back({{"type", "Metaspace"}, {"replacement", i % 2 == 0 ? "x" : "y"}, {"split", false}});
  }
  const json growing{{"type", "Sequence"}, {"pretokenizers", doubling}};
  EXPECT_TRUE(says(with("pre_tokenizer", growing)).starts_with(refusal)) << says(with("pre_tokenizer", growing));

  // At load: the texts of added tokens are normalised too, and many of them count together.
  json document = with("normalizer", chain("String", "a", 30000, 1));
  for (int i = 0; i < 50; ++i) {
    document["added_tokens"].push_back({{"id", 2000 + i}, {"content", fmt::format("a{}", i)}, {"normalized", true}});
  }
  const std::string message = says(document);
  EXPECT_NE(message.find("makes far too much text"), std::string::npos) << message;

  EXPECT_EQ(says(with("normalizer", chain("String", "a", 1000, 1))), "accepted");
  EXPECT_EQ(says(with("normalizer", chain("String", "a", 1, 16))), "accepted");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
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
    EXPECT_NE(message.find("generation_config.json: eos_token_id"), std::string::npos) << ids << ": " << message;
    EXPECT_NE(message.find("expected a token's id"), std::string::npos) << ids << ": " << message;
  }
  for (const char* ids : {"null", "2", "[]", "[2, 7]", "999999"}) {
    EXPECT_EQ(says("{}", fmt::format(R"({{"eos_token_id": {}}})", ids).c_str()), "accepted") << ids;
  }
  EXPECT_NE(says(R"({"add_bos_token": "yes"})", "{}")
                .find("tokenizer_config.json: add_bos_token is \"yes\", expected true or"),
            std::string::npos);
  EXPECT_NE(says(R"({"bos_token": 5})", "{}").find("tokenizer_config.json: bos_token is 5, expected a text"),
            std::string::npos);
  EXPECT_EQ(says(R"({"add_bos_token": null, "bos_token": null})", "{}"), "accepted");
  EXPECT_NE(says(R"({"bos_token": {"id": 1}})", "{}").find("tokenizer_config.json: bos_token.content is missing"),
            std::string::npos);
  EXPECT_NE(says("[]", "{}").find("tokenizer_config.json: is a list, expected an object"), std::string::npos);
  EXPECT_NE(says(R"({"a":1,"a":2})", "{}").find("tokenizer_config.json: bad JSON"), std::string::npos);
  EXPECT_NE(says(R"({"chat_template":7})", "{}").find("tokenizer_config.json: chat_template is neither"),
            std::string::npos);
  EXPECT_NE(says(R"({"chat_template":[{"name":"default"}]})", "{}").find("chat_template[0].template is missing"),
            std::string::npos);
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

TEST(SentencePieceModelErrors, RefusePiecesOfBytesThatAreNone) {
  std::string bytes = read_data("sentencepiece_bpe.model");
  const std::size_t at = bytes.find("<0x41>");
  ASSERT_NE(at, std::string::npos);
  bytes.replace(at, 6, "<0xZZ>");
  try {
    read_sentencepiece_model(std::as_bytes(std::span(bytes)));
    FAIL() << "nothing was refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kBadModel);
    EXPECT_NE(std::string(error.what()).find("of type BYTE is '<0xZZ>'"), std::string::npos) << error.what();
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

TEST(HuggingFace, TheTemplateOfAFileOfItsOwnComesFirst) {
  const auto text = read_fixture("qwen2").at("tokenizer_json").get<std::string>();
  HuggingFaceTexts texts{.tokenizer_json = text};
  EXPECT_EQ(spec_from_hugging_face(texts).chat_template, "");
  texts.tokenizer_config_json = R"({"chat_template": "config"})";
  EXPECT_EQ(spec_from_hugging_face(texts).chat_template, "config");
  texts.chat_template = "jinja";
  EXPECT_EQ(spec_from_hugging_face(texts).chat_template, "jinja");
}

TEST(HuggingFace, NeedsAVocabulary) {
  EXPECT_THROW(spec_from_hugging_face({}), Error);
}

}  // namespace
}  // namespace regroup
