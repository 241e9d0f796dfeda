// What tokenizer.ggml.pre stands for.
#include "runtime/text/pre_tokenizer_names.h"

#include "runtime/core/vocabulary.h"
#include "runtime/text/byte_alphabet.h"
#include "runtime/text/growth_limit.h"
#include "runtime/text/pre_tokenizer.h"
#include "runtime/text/tokenizer.h"
#include "tests/text/fixture.h"

namespace regroup {
namespace {

using Strings = std::vector<std::string>;

Strings words(const char* name, const std::string& text) {
  const auto steps = pre_tokenizer_by_name(name);
  if (!steps) return {"no such name"};
  GrowthLimit limit(text.size());
  const PreTokenizer::Pieces pieces = PreTokenizer(*steps).apply(text, true, limit);
  return {pieces.pieces.begin(), pieces.pieces.end()};
}

// Recorded from tokenizers 0.23.3: a sequence of the models' own splits.
TEST(PreTokenizerNames, CutAsTheModelsTokenizersDo) {
  const std::string text = "It's x=1234567!\xe6\xbc\xa2\xe5\xad\x97 \xe3\x80\x82\r\n \xce\xa9\xc3\xa9 ";
  EXPECT_EQ(words("deepseek-llm", text), (Strings{"It", "'", "s", " x", "=", "1234567", "!", "\xe6\xbc\xa2\xe5\xad\x97",
                                                  " ", "\xe3\x80\x82", "\r", "\n", " \xce\xa9\xc3\xa9", " "}));
  EXPECT_EQ(words("deepseek-coder", text), (Strings{"It",
                                                    "'",
                                                    "s",
                                                    " x",
                                                    "=",
                                                    "1",
                                                    "2",
                                                    "3",
                                                    "4",
                                                    "5",
                                                    "6",
                                                    "7",
                                                    "!",
                                                    "\xe6\xbc\xa2\xe5\xad\x97",
                                                    " ",
                                                    "\xe3\x80\x82",
                                                    "\r",
                                                    "\n",
                                                    " \xce\xa9\xc3\xa9",
                                                    " "}));
  EXPECT_EQ(words("seed-coder", text),
            (Strings{"It", "'s", " x", "=", "1", "2", "3", "4", "5", "6", "7", "!\xe6\xbc\xa2\xe5\xad\x97",
                     " \xe3\x80\x82", "\r\n", " \xce\xa9\xc3\xa9", " "}));
  EXPECT_EQ(words("superbpe", text),
            (Strings{"It's x=", "1", "234", "567", "!\xe6\xbc\xa2\xe5\xad\x97 \xe3\x80\x82\r\n \xce\xa9\xc3\xa9 "}));
  EXPECT_EQ(words("minicpm5", text), (Strings{"It", "'s", " x", "=", "123", "456", "7", "!\xe6\xbc\xa2\xe5\xad\x97",
                                              " \xe3\x80\x82\r\n", " \xce\xa9\xc3\xa9", " "}));
  EXPECT_EQ(words("mellum", text), (Strings{"It", "'s", " x", "=", "1234567", "!", "\xe6\xbc\xa2\xe5\xad\x97",
                                            " \xe3\x80\x82", "\r\n", " \xce\xa9\xc3\xa9", " "}));
  EXPECT_EQ(words("a.x-4.0", text), (Strings{"It", "'s", " x", "=", "1234567", "!", "\xe6\xbc\xa2\xe5\xad\x97",
                                             " \xe3\x80\x82", "\r\n", " \xce\xa9\xc3\xa9", " "}));
}

Vocabulary byte_vocabulary(const char* name) {
  Vocabulary vocabulary;
  vocabulary.kind = VocabularyKind::kByteLevelBpe;
  vocabulary.pre_tokenizer = name;
  for (int byte = 0; byte < 256; ++byte)
    vocabulary.tokens.push_back(spell_bytes(std::string(1, static_cast<char>(byte))));
  return vocabulary;
}

// Qwen's tokenizers compose texts first; GGUF only has their name.
TEST(PreTokenizerNames, QwensTextsAreComposed) {
  const std::string apart = "e\xcc\x81", composed = "\xc3\xa9";
  for (const char* name : {"qwen2", "qwen35"}) {
    const Tokenizer tokenizer(byte_vocabulary(name));
    EXPECT_EQ(tokenizer.encode(apart), tokenizer.encode(composed)) << name;
    EXPECT_EQ(tokenizer.encode(apart).size(), 2u) << name;
  }
  for (const char* name : {"gpt-2", "llama-bpe", "deepseek-r1-qwen"}) {
    EXPECT_EQ(Tokenizer(byte_vocabulary(name)).encode(apart).size(), 3u) << name;
  }
}

}  // namespace
}  // namespace regroup
