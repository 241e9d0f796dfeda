// Everything that defines a tokenizer, as plain data: what the readers (GGUF vocabulary, tokenizer.json,
// tokenizer.model) produce and class Tokenizer runs. The stages are those of Hugging Face's tokenizers library: added
// tokens, normaliser, pre-tokeniser, model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/core/vocabulary.h"

namespace regroup {

// A token that is cut out of the text before anything else (longest match, leftmost).
struct AddedToken {
  std::string text;
  std::uint32_t id = 0;
  bool special = false;      // a control token: only matched when the caller asks for special tokens
  bool left_strip = false;   // swallows the white space in front of it
  bool right_strip = false;  // swallows the white space behind it
  bool normalized = false;   // matched in the normalised text, after normalising its own text
  bool single_word = false;  // only matched when no word character touches it
};

struct NormalizerStep {
  enum class Kind {
    kPrepend,       // puts `content` in front of a text that is not empty
    kReplaceText,   // every `pattern` becomes `content`
    kReplaceRegex,  // every match of `pattern` becomes `content`
    kStrip,         // removes white space at the ends (`left`, `right`)
    kNfc,
    kNfd,
    kNfkc,
    kNfkd,
    kCharsmapGraphemes,  // precompiled charsmap as Hugging Face applies it: cluster by cluster
    kSentencePiece,  // precompiled charsmap (may be empty) longest prefix first, then SentencePiece's rules for spaces
  };
  Kind kind = Kind::kReplaceText;
  std::string pattern, content;
  bool left = true, right = true;
  std::vector<std::uint8_t> charsmap;
  bool add_prefix_space = true, remove_extra_spaces = true;  // kSentencePiece
  bool prefix_first_only = false;  // kSentencePiece: no prefix for a part of the text behind an added token
};

struct PreTokenizerStep {
  enum class Kind {
    kSplitRegex,
    kSplitText,
    kMetaspace,        // spaces become U+2581 (`content`); a prefix by `scheme`; optionally split in front of each
    kAddPrefixSpace,   // ByteLevel's add_prefix_space
    kWhitespaceSplit,  // removes white space and splits there
  };
  enum class Behavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };
  enum class Scheme { kAlways, kFirst, kNever };
  Kind kind = Kind::kSplitRegex;
  std::string pattern;  // kSplitRegex: in Oniguruma's syntax, as tokenizer.json has it
  Behavior behavior = Behavior::kIsolated;
  bool invert = false;
  std::string content = "\xe2\x96\x81";
  Scheme scheme = Scheme::kAlways;
  bool split = true;
};

struct MergeRule {
  std::uint32_t left, right, merged;  // token ids; the position in the list is the rank
};

struct TokenizerSpec {
  enum class Model {
    kByteLevelBpe,   // ranked merges over bytes (tokens spelled in GPT-2's byte alphabet)
    kCharacterBpe,   // ranked merges over characters, with byte fall-back (SentencePiece BPE as tokenizer.json has it)
    kSentencePiece,  // scored merges over characters, with byte fall-back (SentencePiece BPE as GGUF has it)
    kUnigram,
  };
  Model model = Model::kByteLevelBpe;

  std::vector<std::string> tokens;  // by id; an empty string is an id that no text has
  std::vector<double> scores;       // by id; needed by kSentencePiece and kUnigram
  std::vector<TokenType> types;     // by id
  std::vector<MergeRule> merges;
  bool ignore_merges = false;  // a word that is a token is taken whole (Llama 3)
  bool byte_fallback = false;  // characters without a token become <0xNN> tokens
  bool fuse_unknown = false;   // neighbouring unknown characters are one unknown token

  std::vector<AddedToken> added;
  std::vector<NormalizerStep> normalizer;
  std::vector<PreTokenizerStep> pre_tokenizer;
  std::vector<std::uint32_t> prefix, suffix;  // put around a text with special tokens on (BOS, EOS)

  std::optional<std::uint32_t> bos, eos, unk, pad;
  // What the model's files name besides BOS and EOS: {"pad_token", 0}, ... for the chat template.
  std::vector<std::pair<std::string, std::uint32_t>> named_tokens;
  std::vector<std::uint32_t> end_of_generation;
  bool strips_leading_space = false;  // the whole text's first space was added by the tokenizer
  std::string chat_template;          // Jinja text, or empty
  std::string warning;                // for the user, or empty
  std::string source;                 // the file, for errors that only show when a text is tokenised, or empty
};

}  // namespace regroup
