// Tokenizers of model files: what is wrong with one is said with the file's name, and unusual ones load.
#include "runtime/decode/load_tokenizer.h"

#include <gtest/gtest.h>

#include "runtime/core/error.h"
#include "runtime/model/model.h"
#include "tests/model/tiny_model.h"

namespace regroup::test {
namespace {

using B = GgufBuilder;

class LoadTokenizer : public ::testing::Test {
 protected:
  // Forty tokens: the model has as many rows.
  static std::vector<std::string> tokens() {
    std::vector<std::string> list = {"<s>", "</s>"};
    for (char c = 'a'; list.size() < 40; ++c) list.emplace_back(1, c <= 'z' ? c : static_cast<char>(c - 'z' + 'A'));
    return list;
  }
  ModelFile open(const std::function<void(B&)>& keys) {
    TinyModel model;
    model.more_keys = keys;
    return ModelFile::open(folder_.write("model.gguf", model.build()));
  }
  std::string refusal(const std::function<void(B&)>& keys, std::uint32_t vocabulary = 40) {
    try {
      (void)load_tokenizer(open(keys), vocabulary);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kBadModel) << error.what();
      return error.what();
    }
    return "nothing was refused";
  }
  TemporaryFolder folder_;
};

TEST_F(LoadTokenizer, DamageIsSaidWithTheFilesName) {
  const std::string twice = refusal([](B& b) {
    auto list = tokens();
    list[5] = list[4];
    b.string("tokenizer.ggml.model", "gpt2")
        .strings("tokenizer.ggml.tokens", list)
        .strings("tokenizer.ggml.merges", {});
  });
  EXPECT_NE(twice.find("model.gguf: tokenizer: tokens 4 and 5 are both"), std::string::npos) << twice;
  const std::string unscored =
      refusal([](B& b) { b.string("tokenizer.ggml.model", "t5").strings("tokenizer.ggml.tokens", tokens()); });
  EXPECT_NE(unscored.find("model.gguf: "), std::string::npos) << unscored;
  EXPECT_NE(unscored.find("scores"), std::string::npos) << unscored;
}

TEST_F(LoadTokenizer, UnknownWaysToSplitWordsAreRefused) {
  const auto with = [](const std::string& name) {
    return [name](B& b) {
      b.string("tokenizer.ggml.model", "gpt2")
          .string("tokenizer.ggml.pre", name)
          .strings("tokenizer.ggml.tokens", tokens())
          .strings("tokenizer.ggml.merges", {});
    };
  };
  const std::string bogus = refusal(with("bo\x1bgus"));
  EXPECT_NE(bogus.find("model.gguf: key 'tokenizer.ggml.pre' is 'bo\\u{1b}gus'"), std::string::npos) << bogus;
  EXPECT_TRUE(load_tokenizer(open(with("smollm")), 40));
}

TEST_F(LoadTokenizer, TooManyTokensAreSaidWithFileAndField) {
  const std::string many = refusal(
      [](B& b) {
        b.string("tokenizer.ggml.model", "gpt2")
            .strings("tokenizer.ggml.tokens", tokens())
            .strings("tokenizer.ggml.merges", {});
      },
      39);
  EXPECT_NE(many.find("model.gguf: tokenizer.ggml.tokens has 40 tokens, but the embedding has 39 rows"),
            std::string::npos)
      << many;
}

TEST_F(LoadTokenizer, AVocabularyWithoutMergesIsItsBytes) {
  const ModelFile file = open([](B& b) {
    b.string("tokenizer.ggml.model", "gpt2")
        .strings("tokenizer.ggml.tokens", tokens())
        .strings("tokenizer.ggml.merges", {});
  });
  const auto tokenizer = load_tokenizer(file, 40);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->encode("cab"), (std::vector<std::uint32_t>{4, 2, 3}));
}

TEST_F(LoadTokenizer, AModelNeedsNone) {
  EXPECT_FALSE(load_tokenizer(open([](B&) {}), 40));
  EXPECT_FALSE(load_tokenizer(open([](B& b) { b.string("tokenizer.ggml.model", "none"); }), 40));
}

}  // namespace
}  // namespace regroup::test
