// Tokens that a directory adds beside tokenizer.model or tokenizer.json. The ids are those of transformers 5.24.0 with
// tokenizers 0.23.3 and sentencepiece 0.2.3, for the same files.
#include "runtime/core/error.h"
#include "runtime/text/hugging_face.h"
#include "runtime/text/tokenizer.h"
#include "tests/text/fixture.h"

namespace regroup {
namespace {

using nlohmann::json;
using Ids = std::vector<std::uint32_t>;

json entry(const char* text) {
  return {{"content", text},     {"lstrip", false},      {"rstrip", false},
          {"normalized", false}, {"single_word", false}, {"special", true}};
}

// sentencepiece_bpe.model has the pieces 0 to 899.
class AddedTokenFiles : public testing::Test {
 protected:
  TokenizerSpec pieces(const json& config, const json& added = json::object()) const {
    const std::string settings = config.dump(), list = added.dump();
    return spec_from_hugging_face({.tokenizer_config_json = settings,
                                   .added_tokens_json = list,
                                   .sentencepiece_model = std::as_bytes(std::span(model_))});
  }

  static Ids encode(const TokenizerSpec& spec, const char* text) {
    return Tokenizer(spec).encode(text, {.add_special = false, .parse_special = true});
  }

  std::string says(const json& config, const json& added = json::object()) const {
    try {
      pieces(config, added);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel);
      return error.what();
    }
    return "accepted";
  }

  const std::string model_ = read_data("sentencepiece_bpe.model");
  const json added_{{"<|pad|>", 900}, {"<|stop|>", 901}};
};

TEST_F(AddedTokenFiles, AddedTokensJsonIsRead) {
  const TokenizerSpec spec = pieces({{"eos_token", "<|stop|>"}, {"pad_token", "<|pad|>"}}, added_);
  EXPECT_EQ(encode(spec, "<|pad|>user\nHi<|stop|>"), (Ids{900, 450, 669, 677, 640, 901}));
  EXPECT_EQ(encode(spec, "Hi <|stop|> there"), (Ids{634, 677, 640, 634, 901, 272, 367}));
  EXPECT_EQ(spec.eos, 901u);
  EXPECT_TRUE(Tokenizer(spec).is_end_of_generation(901));
  EXPECT_TRUE(Tokenizer(spec).is_control(901));  // as it is named
  // The others are a user's own words, which are cut out of every text.
  const Tokenizer plain(pieces(json::object(), added_));
  EXPECT_FALSE(plain.is_control(901));
  EXPECT_EQ(plain.encode("<|stop|>", {.add_special = false, .parse_special = false}), (Ids{901}));
}

TEST_F(AddedTokenFiles, TheConfigsListIsReadInstead) {
  json config{{"eos_token", "<|stop|>"}};
  json& list = config["added_tokens_decoder"];
  list = {{"1", entry("<s>")}, {"900", entry("<|pad|>")}, {"901", entry("<|stop|>")}, {"902", entry("<|word|>")}};
  list["901"]["rstrip"] = true;
  list["902"]["single_word"] = true;
  list["902"]["special"] = false;
  const TokenizerSpec spec = pieces(config, {{"<|other|>", 900}});
  EXPECT_EQ(encode(spec, "<|pad|>user\nHi<|stop|>"), (Ids{900, 450, 669, 677, 640, 901}));
  EXPECT_EQ(encode(spec, "Hi<|stop|>  \n there"), (Ids{634, 677, 640, 901, 425, 367}));
  EXPECT_EQ(encode(spec, "a<|word|>b <|word|> c"), (Ids{267, 506, 451, 374, 657, 634, 902, 330}));
  EXPECT_EQ(spec.eos, 901u);

  config["legacy"] = true;  // a prefix for every part of the text
  EXPECT_EQ(encode(pieces(config), "<|pad|>user\nHi<|stop|>"), (Ids{900, 634, 450, 669, 677, 640, 901}));
  EXPECT_EQ(encode(pieces(config), "Hi<|stop|>  \n there"), (Ids{634, 677, 640, 901, 272, 367}));
}

// The id is the entry's, as transformers 4 and llama.cpp have it; version 5 gives some such tokens new ids.
TEST_F(AddedTokenFiles, PiecesAreGivenOtherNames) {
  const TokenizerSpec spec = pieces({{"added_tokens_decoder", {{"300", entry("<|pad|>")}}}});
  EXPECT_EQ(spec.tokens.size(), 900u);
  EXPECT_EQ(encode(spec, "x<|pad|>y"), (Ids{294, 300, 668}));
}

TEST_F(AddedTokenFiles, TokenizerJsonIsCompleted) {
  const auto text = read_fixture("gpt2").at("tokenizer_json").get<std::string>();
  json config{{"added_tokens_decoder", {{"600", entry("<|pad|>")}, {"0", entry("<|endoftext|>")}}}};
  config["added_tokens_decoder"]["0"]["rstrip"] = true;
  const auto read = [&](const std::string& settings, const std::string& added) {
    return spec_from_hugging_face(
        {.tokenizer_json = text, .tokenizer_config_json = settings, .added_tokens_json = added});
  };
  EXPECT_EQ(encode(read(config.dump(), "{}"), "a<|pad|> b"), (Ids{65, 600, 341}));
  EXPECT_EQ(encode(read(config.dump(), "{}"), "<|endoftext|>  b"), (Ids{0, 66}));
  // What the older list says of tokens that tokenizer.json knows does not count.
  EXPECT_EQ(read("{}", R"({"<|endoftext|>": 7, "<|pad|>": 600})").tokens.size(), 601u);
  config["added_tokens_decoder"]["65"] = entry("<|other|>");
  EXPECT_THROW(read(config.dump(), "{}"), Error);
}

TEST_F(AddedTokenFiles, ContradictionsAndDamageAreRefused) {
  const auto decoder = [](const json& list) { return json{{"added_tokens_decoder", list}}; };
  const auto expect = [](const std::string& message, const char* part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  };
  const char* field = "tokenizer_config.json: added_tokens_decoder";
  expect(says(decoder({{"900", entry("</s>")}})), "900 says that token 900 is \"</s>\", which is token 2 already");
  expect(says(decoder({{"0", entry("<|pad|>")}})), "0 says that token 0 is \"<|pad|>\", which is \"<unk>\" already");
  expect(says(decoder({{"900", entry("<|pad|>")}, {"901", entry("<|pad|>")}})), "which is token 900 already");
  for (const char* key : {"", "x", "-1", "01", "1.0", "99999999999", " 9"}) {
    expect(says(decoder({{key, entry("<|pad|>")}})), "does not have a token's id for its name");
  }
  expect(says(decoder({{"4294967295", entry("<|pad|>")}})), "has the id 4294967295, at most 524288");
  for (const json& list : {json(5), json("a"), json::array({1}), json{{"900", "<|pad|>"}}, json{{"900", {{"id", 1}}}},
                           json{{"900", {{"content", "a"}, {"special", 1}}}}}) {
    expect(says(decoder(list)), field);
  }
  EXPECT_EQ(says(decoder(nullptr)), "accepted");
  for (const json& list : {json(5), json::array(), json{{"<|pad|>", "900"}}, json{{"<|pad|>", -1}},
                           json{{"<|pad|>", 5000000}}, json{{"<|pad|>", 900}, {"<|stop|>", 900}}}) {
    expect(says(json::object(), list), "added_tokens.json: ");
  }
}

// SentencePiece never makes a control token of what a text spells.
TEST_F(AddedTokenFiles, TextsDoNotSpellControlTokens) {
  const EncodeOptions plain{.add_special = false, .parse_special = false};
  const Tokenizer without(pieces(json::object())), with(pieces({{"added_tokens_decoder", {{"900", entry("xy")}}}}));
  EXPECT_EQ(with.encode("1xy", plain), without.encode("1xy", plain));
  EXPECT_EQ(encode(pieces({{"added_tokens_decoder", {{"900", entry("xy")}}}}), "1xy").back(), 900u);
}

}  // namespace
}  // namespace regroup
