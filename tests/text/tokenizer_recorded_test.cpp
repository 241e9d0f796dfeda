// Ids and decoded texts of small tokenizers of every family, against those recorded from transformers, tokenizers and
// SentencePiece.
#include <cstdlib>
#include <filesystem>

#include "runtime/text/hugging_face.h"
#include "runtime/text/sentencepiece_model.h"
#include "runtime/text/tokenizer.h"
#include "tests/text/fixture.h"
#include "tests/text/gguf_vocabulary.h"

namespace regroup {
namespace {

using nlohmann::json;

const auto kEvery = [](const std::string&) { return true; };

std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (i + k < bytes.size() ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : kDigits[(bits >> (18 - 6 * k)) & 63];
  }
  return out;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

Tokenizer from_fixture(const json& fixture) {
  auto text = fixture.at("tokenizer_json").get<std::string>();
  if (const std::size_t at = text.find("@CHARSMAP@"); at != std::string::npos) {
    const std::string model = read_data("unigram.model");
    const TokenizerSpec spec = read_sentencepiece_model(bytes_of(model));
    text.replace(at, 10, base64(spec.normalizer.at(0).charsmap));
  }
  const auto config = fixture.at("tokenizer_config").get<std::string>();
  return Tokenizer(spec_from_hugging_face({.tokenizer_json = text, .tokenizer_config_json = config}));
}

class RecordedTokenizer : public testing::TestWithParam<const char*> {};

TEST_P(RecordedTokenizer, EncodesAsTheReference) {
  const json fixture = read_fixture(GetParam());
  const Tokenizer tokenizer = from_fixture(fixture);
  EXPECT_EQ(tokenizer.warning(), "");
  expect_recorded_ids(
      fixture, [&](const std::string& text) { return tokenizer.encode(text); }, kEvery);
}

TEST_P(RecordedTokenizer, DecodesAsTheReference) {
  const json fixture = read_fixture(GetParam());
  const Tokenizer tokenizer = from_fixture(fixture);
  const std::vector<std::string> texts = recorded_texts();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const json& recorded = fixture.at("decoded")[i];
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(texts[i])), recorded.is_null() ? texts[i] : recorded.get<std::string>())
        << "text " << i << ": " << json(texts[i]).dump(-1, ' ', true);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RecordedTokenizer,
                         testing::Values("gpt2", "gpt2_prefix_space", "llama3", "qwen2", "smollm", "added_token_flags",
                                         "llama2", "gemma", "llama2_metaspace", "t5"),
                         [](const auto& named) { return std::string(named.param); });

Vocabulary scored_vocabulary(const json& fixture) {
  Vocabulary vocabulary;
  vocabulary.kind = VocabularyKind::kSentencePiece;
  vocabulary.tokens = fixture.at("vocabulary").at("tokens").get<std::vector<std::string>>();
  vocabulary.scores = fixture.at("vocabulary").at("scores").get<std::vector<float>>();
  for (const int type : fixture.at("vocabulary").at("types")) vocabulary.types.push_back(static_cast<TokenType>(type));
  return vocabulary;
}

// The same vocabulary with scores (GGUF) and with merges (tokenizer.json) is the same tokenizer.
TEST(ScoredVocabulary, EncodesAsTheRankedOne) {
  const json fixture = read_fixture("llama2");
  const Tokenizer tokenizer(scored_vocabulary(fixture));
  expect_recorded_ids(
      fixture, [&](const std::string& text) { return tokenizer.encode(text); }, kEvery);
}

TEST(ScoredVocabulary, EncodesAsTheRankedOneWithoutPrefix) {
  Vocabulary vocabulary = scored_vocabulary(read_fixture("llama2"));
  vocabulary.add_space_prefix = false;
  const Tokenizer tokenizer(vocabulary);
  expect_recorded_ids(
      read_fixture("gemma"), [&](const std::string& text) { return tokenizer.encode(text); }, kEvery);
}

// SentencePiece gives control tokens' names no meaning, and neither does encoding without special tokens.
TEST(SentencePieceModel, EncodesBytePairsAsSentencePiece) {
  const std::string model = read_data("sentencepiece_bpe.model");
  const Tokenizer tokenizer(spec_from_hugging_face({.sentencepiece_model = bytes_of(model)}));
  // SentencePiece puts its prefix in front of the whole text only, not behind user-defined tokens.
  const auto comparable = [](const std::string& text) { return text.find("<|im_") == std::string::npos; };
  expect_recorded_ids(
      read_fixture("sentencepiece_bpe"),
      [&](const std::string& text) { return tokenizer.encode(text, {.add_special = false, .parse_special = false}); },
      comparable);
}

// Splits of a run of one character often score the same; our double sums (and transformers') and SentencePiece's float
// sums then choose differently.
bool repeats_a_character(const std::string& text) {
  for (std::size_t i = 2; i < text.size(); ++i) {
    if (text[i] == text[i - 1] && text[i] == text[i - 2] && text[i] != ' ') return true;
  }
  return false;
}

TEST(SentencePieceModel, EncodesUnigramAsSentencePiece) {
  const std::string model = read_data("unigram.model");
  const Tokenizer tokenizer(spec_from_hugging_face({.sentencepiece_model = bytes_of(model)}));
  expect_recorded_ids(
      read_fixture("sentencepiece_unigram"),
      [&](const std::string& text) { return tokenizer.encode(text, {.add_special = false, .parse_special = false}); },
      [](const std::string& text) { return !repeats_a_character(text); });
}

class RealModel : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(RealModel, EncodesAsTheReference) {
  const auto [file, recorded] = GetParam();
  const char* home = std::getenv("HOME");
  const std::filesystem::path path =
      std::filesystem::path(home == nullptr ? "" : home) / ".cache/regroup/models" / file;
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "NOT TESTED: " << path << " is not there; python3 assets/fetch_model.py " << path.stem().string();
  }
  const Tokenizer tokenizer(GgufVocabularyReader(path.string()).take());
  EXPECT_EQ(tokenizer.warning(), "");
  expect_recorded_ids(
      read_fixture(recorded), [&](const std::string& text) { return tokenizer.encode(text); }, kEvery);
}

INSTANTIATE_TEST_SUITE_P(Files, RealModel,
                         testing::Values(std::pair("smollm2-135m.gguf", "real_smollm2"),
                                         std::pair("gemma3-270m.gguf", "real_gemma3")),
                         [](const auto& named) { return std::string(named.param.second); });

}  // namespace
}  // namespace regroup
