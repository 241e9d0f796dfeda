#include "converter/checkpoint/tokenizer_to_gguf.h"

#include <algorithm>
#include <array>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/text/pre_tokenizer_names.h"

namespace regroup {
namespace {

using Model = TokenizerSpec::Model;

bool same_steps(const std::vector<PreTokenizerStep>& a, const std::vector<PreTokenizerStep>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PreTokenizerStep& x, const PreTokenizerStep& y) {
    return x.kind == y.kind && x.pattern == y.pattern && x.behavior == y.behavior && x.invert == y.invert;
  });
}

// One name for each way to cut text into words; all programs that read GGUF know these.
std::string pre_tokenizer_name(const TokenizerSpec& spec, const std::string& file) {
  constexpr std::array<std::string_view, 9> kNames = {
      "gpt-2", "smollm", "llama-bpe", "dbrx", "qwen2", "deepseek-r1-qwen", "qwen35", "tekken", "gpt-4o"};
  const bool composes = std::any_of(spec.normalizer.begin(), spec.normalizer.end(),
                                    [](const NormalizerStep& step) { return step.kind == NormalizerStep::Kind::kNfc; });
  for (const std::string_view name : kNames) {
    // The same words, but one of the two takes a word that is a token whole.
    const bool takes_whole_words = name == "llama-bpe" || name == "tekken";
    if ((name == "llama-bpe" || name == "dbrx") && takes_whole_words != spec.ignore_merges) continue;
    // The next name is for the same words of texts that are not composed.
    if (name == "qwen2" && !composes) continue;
    if (same_steps(*pre_tokenizer_by_name(name), spec.pre_tokenizer)) return std::string(name);
  }
  throw_error(ErrorCode::kBadModel,
              "{}: tokenizer.json cuts text into words in a way that GGUF has no name for; convert to a directory, or "
              "without a tokenizer by --no-tokenizer",
              file);
}

bool is_byte_token(std::string_view text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with('>') &&
         text.find_first_not_of("0123456789ABCDEFabcdef", 3) == 5;
}

// SentencePiece merges the pair whose token has the best score; the first merge rule that makes a token gives the same
// order. Tokens that no rule makes come last.
std::vector<float> scores_from_merges(const TokenizerSpec& spec, std::size_t count) {
  std::vector<float> scores(count, -static_cast<float>(spec.merges.size() + 1));
  std::vector<bool> made(count);
  for (std::size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const std::uint32_t token = spec.merges[rank].merged;
    if (made[token]) continue;
    made[token] = true;
    scores[token] = -static_cast<float>(rank + 1);
  }
  return scores;
}

bool adds_space_prefix(const TokenizerSpec& spec) {
  for (const NormalizerStep& step : spec.normalizer) {
    if (step.kind == NormalizerStep::Kind::kPrepend) return true;
    if (step.kind == NormalizerStep::Kind::kSentencePiece) return step.add_prefix_space;
  }
  for (const PreTokenizerStep& step : spec.pre_tokenizer) {
    if (step.kind == PreTokenizerStep::Kind::kMetaspace) return step.scheme != PreTokenizerStep::Scheme::kNever;
  }
  return false;
}

}  // namespace

void add_tokenizer(GgufMetadata& metadata, const TokenizerSpec& spec, std::uint32_t vocabulary,
                   const std::string& file) {
  if (spec.model == Model::kUnigram) {
    throw_error(
        ErrorCode::kBadModel,
        "{}: a unigram tokenizer, which GGUF files of this architecture cannot hold; convert to a directory, or "
        "without a tokenizer by --no-tokenizer",
        file);
  }
  if (spec.tokens.size() > vocabulary) {
    throw_error(ErrorCode::kBadModel, "{}: the tokenizer has {} tokens, the embedding only {} rows", file,
                spec.tokens.size(), vocabulary);
  }
  const bool byte_level = spec.model == Model::kByteLevelBpe;
  std::vector<std::string> tokens = spec.tokens;
  std::vector<std::int32_t> types;
  tokens.resize(vocabulary);
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    TokenType type = id < spec.types.size() ? spec.types[id] : TokenType::kNormal;
    if (tokens[id].empty()) {
      tokens[id] = fmt::format("[PAD{}]", id);
      type = TokenType::kUnused;
    } else if (!byte_level && type == TokenType::kNormal && is_byte_token(tokens[id])) {
      type = TokenType::kByte;
    } else if (!byte_level && spec.unk == id) {
      type = TokenType::kUnknown;
    }
    types.push_back(static_cast<std::int32_t>(type));
  }
  metadata.set("tokenizer.ggml.model", std::string(byte_level ? "gpt2" : "llama"));
  metadata.set("tokenizer.ggml.pre", byte_level ? pre_tokenizer_name(spec, file) : std::string("default"));
  if (!byte_level) {
    std::vector<float> scores(spec.scores.begin(), spec.scores.end());
    if (spec.model == Model::kCharacterBpe) scores = scores_from_merges(spec, tokens.size());
    scores.resize(tokens.size(), -1e4f);
    metadata.set("tokenizer.ggml.scores", GgufArray{std::move(scores)});
    metadata.set("tokenizer.ggml.add_space_prefix", adds_space_prefix(spec));
  } else {
    std::vector<std::string> merges;
    for (const MergeRule& rule : spec.merges) merges.push_back(spec.tokens[rule.left] + " " + spec.tokens[rule.right]);
    metadata.set("tokenizer.ggml.merges", GgufArray{std::move(merges)});
  }
  metadata.set("tokenizer.ggml.tokens", GgufArray{std::move(tokens)});
  metadata.set("tokenizer.ggml.token_type", GgufArray{std::move(types)});

  const auto id = [&](const char* key, std::optional<std::uint32_t> value) {
    if (value) metadata.set(key, *value);
  };
  id("tokenizer.ggml.bos_token_id", spec.bos);
  id("tokenizer.ggml.eos_token_id", spec.eos);
  id("tokenizer.ggml.unknown_token_id", spec.unk);
  id("tokenizer.ggml.padding_token_id", spec.pad);
  for (const std::uint32_t end : spec.end_of_generation) {
    if (end == spec.eos) continue;
    id("tokenizer.ggml.eot_token_id", end);
    break;
  }
  const auto has = [](const std::vector<std::uint32_t>& ids, std::optional<std::uint32_t> wanted) {
    return wanted && std::find(ids.begin(), ids.end(), *wanted) != ids.end();
  };
  metadata.set("tokenizer.ggml.add_bos_token", has(spec.prefix, spec.bos));
  metadata.set("tokenizer.ggml.add_eos_token", has(spec.suffix, spec.eos));
  if (!spec.chat_template.empty()) metadata.set("tokenizer.chat_template", spec.chat_template);
}

}  // namespace regroup
