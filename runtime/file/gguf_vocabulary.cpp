#include "runtime/file/gguf_vocabulary.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/file/ceilings.h"

namespace regroup {

namespace {

constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kScores = "tokenizer.ggml.scores";
constexpr std::string_view kTypes = "tokenizer.ggml.token_type";
constexpr std::string_view kMerges = "tokenizer.ggml.merges";
constexpr std::string_view kCharsmap = "tokenizer.ggml.precompiled_charsmap";

VocabularyKind read_kind(const GgufMetadata& metadata, std::string_view model) {
  if (model == "gpt2") return VocabularyKind::kByteLevelBpe;
  if (model == "llama") return VocabularyKind::kSentencePiece;
  if (model == "t5") return VocabularyKind::kUnigram;
  metadata.refuse("tokenizer.ggml.model",
                  fmt::format("is '{}'; the tokenizers that can be read are gpt2, llama and t5", escaped(model, 60)));
}

void check_length(const GgufMetadata& metadata, std::string_view key, std::size_t found, std::size_t tokens) {
  if (found != tokens)
    metadata.refuse(key, fmt::format("has {} elements, expected {} as {} has", found, tokens, kTokens));
}

std::vector<TokenType> read_types(const GgufMetadata& metadata, std::size_t tokens) {
  const auto numbers = metadata.find_i32s(kTypes);
  if (!numbers) return {};
  check_length(metadata, kTypes, numbers->size(), tokens);
  std::vector<TokenType> types;
  types.reserve(numbers->size());
  for (const std::int32_t number : *numbers) {
    // 0 is the "undefined" of SentencePiece's own enumeration; such tokens are plain text.
    if (number < 0 || number > 6) {
      metadata.refuse(kTypes, fmt::format("has {} for token {}, expected 0 to 6", number, types.size()));
    }
    types.push_back(number == 0 ? TokenType::kNormal : static_cast<TokenType>(number));
  }
  return types;
}

std::vector<float> read_scores(const GgufMetadata& metadata, VocabularyKind kind, std::size_t tokens) {
  const bool needed = kind != VocabularyKind::kByteLevelBpe;
  if (!needed && !metadata.contains(kScores)) return {};
  std::vector<float> scores = metadata.get_f32s(kScores);
  check_length(metadata, kScores, scores.size(), tokens);
  return scores;
}

std::vector<std::string> read_merges(const GgufMetadata& metadata, VocabularyKind kind) {
  const bool needed = kind == VocabularyKind::kByteLevelBpe;
  if (!needed && !metadata.contains(kMerges)) return {};
  std::vector<std::string> merges = metadata.get_strings(kMerges);
  if (merges.size() > kMaxVocabulary) {
    metadata.refuse(kMerges, fmt::format("has {} elements, at most {} are allowed", merges.size(), kMaxVocabulary));
  }
  for (std::size_t i = 0; i < merges.size(); ++i) {
    // Each side has at least one byte, so the space stands neither first nor last.
    const std::size_t space = merges[i].find(' ', 1);
    if (space == std::string::npos || space + 1 == merges[i].size()) {
      metadata.refuse(kMerges, fmt::format("has '{}' at position {}, expected two pieces with a space between",
                                           escaped(merges[i], 60), i));
    }
  }
  return merges;
}

bool is_byte_token(std::string_view text) {
  const auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f'); };
  return text.size() == 6 && text.substr(0, 3) == "<0x" && is_hex(text[3]) && is_hex(text[4]) && text[5] == '>';
}

void check_byte_tokens(const GgufMetadata& metadata, const Vocabulary& vocabulary) {
  for (std::size_t i = 0; i < vocabulary.types.size(); ++i) {
    if (vocabulary.types[i] != TokenType::kByte || is_byte_token(vocabulary.tokens[i])) continue;
    metadata.refuse(kTokens, fmt::format("has '{}' for token {} of type byte, expected <0x00> to <0xFF>",
                                         escaped(vocabulary.tokens[i], 60), i));
  }
}

std::optional<std::uint32_t> read_id(const GgufMetadata& metadata, std::string_view key, std::size_t tokens) {
  constexpr std::int64_t kUnset32 = 0xffffffff;  // how writers store -1 in an unsigned value
  const auto id = metadata.find_i64(key);
  if (!id || *id == -1 || *id == kUnset32) return std::nullopt;
  if (*id < 0 || static_cast<std::uint64_t>(*id) >= tokens) {
    metadata.refuse(key, fmt::format("is {}, but the vocabulary has {} tokens", *id, tokens));
  }
  return static_cast<std::uint32_t>(*id);
}

std::vector<std::uint8_t> read_charsmap(const GgufMetadata& metadata) {
  const GgufValue* value = metadata.find(kCharsmap);
  if (value == nullptr) return {};
  if (const auto* array = std::get_if<GgufArray>(value)) {
    if (array->size() == 0) return {};
    if (const auto* bytes = std::get_if<std::vector<std::uint8_t>>(&array->items)) return *bytes;
    if (const auto* bytes = std::get_if<std::vector<std::int8_t>>(&array->items)) {  // older converters
      std::vector<std::uint8_t> out;
      for (const std::int8_t byte : *bytes) out.push_back(static_cast<std::uint8_t>(byte));
      return out;
    }
  }
  metadata.refuse(kCharsmap, "is not an array of bytes (uint8 or int8)");
}

}  // namespace

std::optional<Vocabulary> read_gguf_vocabulary(const GgufMetadata& metadata) {
  const auto model = metadata.find_string("tokenizer.ggml.model");
  if (!model && metadata.contains(kTokens)) {
    metadata.refuse("tokenizer.ggml.model", fmt::format("is missing, though the file has {}", kTokens));
  }
  if (!model || *model == "none" || *model == "no_vocab") return std::nullopt;

  Vocabulary out;
  out.kind = read_kind(metadata, *model);
  out.pre_tokenizer = metadata.find_string("tokenizer.ggml.pre").value_or("");
  out.tokens = metadata.get_strings(kTokens);
  if (out.tokens.empty() || out.tokens.size() > kMaxVocabulary) {
    metadata.refuse(kTokens, fmt::format("has {} elements, expected 1 to {}", out.tokens.size(), kMaxVocabulary));
  }
  out.types = read_types(metadata, out.tokens.size());
  out.scores = read_scores(metadata, out.kind, out.tokens.size());
  out.merges = read_merges(metadata, out.kind);
  if (out.kind != VocabularyKind::kByteLevelBpe) check_byte_tokens(metadata, out);

  const auto id = [&](std::string_view key) { return read_id(metadata, key, out.tokens.size()); };
  out.bos = id("tokenizer.ggml.bos_token_id");
  out.eos = id("tokenizer.ggml.eos_token_id");
  out.eot = id("tokenizer.ggml.eot_token_id");
  out.eom = id("tokenizer.ggml.eom_token_id");
  out.unk = id("tokenizer.ggml.unknown_token_id");
  out.pad = id("tokenizer.ggml.padding_token_id");
  out.add_bos = metadata.find_bool("tokenizer.ggml.add_bos_token");
  out.add_eos = metadata.find_bool("tokenizer.ggml.add_eos_token");
  out.add_space_prefix = metadata.find_bool("tokenizer.ggml.add_space_prefix");
  out.remove_extra_whitespaces = metadata.find_bool("tokenizer.ggml.remove_extra_whitespaces");
  out.precompiled_charsmap = read_charsmap(metadata);
  out.chat_template = metadata.find_string("tokenizer.chat_template").value_or("");
  return out;
}

}  // namespace regroup
