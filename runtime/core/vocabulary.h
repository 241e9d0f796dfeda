// What a model file says about its tokenizer, as plain data: filled by the file readers, turned into a Tokenizer by
// runtime/text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regroup {

enum class VocabularyKind {
  kByteLevelBpe,   // GPT-2 family: byte-to-unicode alphabet, ranked merges
  kSentencePiece,  // SentencePiece BPE: scores, U+2581 for space, <0xNN> byte fall-back (GGUF "llama")
  kUnigram,        // SentencePiece unigram: log probabilities, Viterbi (GGUF "t5")
};

enum class TokenType : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6
};

struct Vocabulary {
  VocabularyKind kind = VocabularyKind::kByteLevelBpe;
  std::string pre_tokenizer;  // byte-level BPE: "gpt-2", "llama-bpe", "qwen2", "smollm", ... (GGUF tokenizer.ggml.pre)
  std::vector<std::string> tokens;  // by id
  std::vector<float> scores;        // by id, or empty
  std::vector<TokenType> types;     // by id, or empty (all normal)
  std::vector<std::string> merges;  // "left right", by rank
  std::optional<std::uint32_t> bos, eos, eot, eom, unk, pad;
  std::optional<bool> add_bos, add_eos, add_space_prefix, remove_extra_whitespaces;
  std::vector<std::uint8_t> precompiled_charsmap;  // unigram normaliser, as SentencePiece stores it
  std::string chat_template;                       // Jinja text, empty when the file has none
};

}  // namespace regroup
