// How well a model predicts a text, and how far its predictions are from a baseline's: perplexity, Kullback-Leibler
// divergence and agreement of the top token, per token and over the whole.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/decode/session.h"
#include "runtime/text/tokenizer.h"

namespace regroup {

// Token ids cut into chunks that are read from position 0 each; every token of a chunk but its first is scored.
struct EvaluationText {
  std::vector<std::vector<std::uint32_t>> chunks;  // at least two tokens each

  std::uint64_t scored_tokens() const;
};

// `text` cut into chunks of `chunk_tokens` tokens, BOS included where the model asks for it: it then opens every chunk.
// The last chunk may be shorter. Throws kUsage when there is nothing to score.
EvaluationText cut_text(const Tokenizer& tokenizer, std::string_view text, std::uint32_t chunk_tokens);
// The same for ids that need no BOS.
EvaluationText cut_tokens(std::span<const std::uint32_t> ids, std::uint32_t chunk_tokens);

// What is judged: a model under a grouping, with a type of KV cache. Both must outlive the call.
struct Contestant {
  const Model& model;
  const Grouping& grouping;
  CacheType cache_type = CacheType::kF32;
};

struct TokenScore {
  std::uint32_t token;  // that was predicted
  float nll;            // -log of its probability, in nats
  float baseline_nll;   // the same under the baseline
  float divergence;     // KL(baseline || contestant) of the two distributions, in nats
  std::uint32_t baseline_top, top;

  bool same_top() const { return baseline_top == top; }
};

struct Evaluation {
  std::uint64_t tokens = 0;  // scored
  double perplexity = 0;     // exp of the mean nll
  double baseline_perplexity = 0;
  double kl_mean = 0;
  double kl_p99 = 0;    // 99th percentile over tokens, between neighbours linearly interpolated
  double same_top = 0;  // share of tokens
};
Evaluation summarise_scores(std::span<const TokenScore> scores);

struct EvaluateOptions {
  Progress progress;
  const CancelFlag* cancel = nullptr;
  // Called with the scores of contestant `index` for consecutive tokens of the text, in order.
  std::function<void(std::size_t index, std::span<const TokenScore> scores)> on_scores;
};

// Reads the text with the baseline and every contestant side by side, so that rows of logits are compared on the device
// and never leave it. Contestants may be other models of the same vocabulary on the same device; one that is the
// baseline itself costs nothing. Throws kUsage when vocabularies differ, kFailed for logits that are not numbers,
// kInterrupted, kOutOfMemory.
std::vector<Evaluation> evaluate(const Contestant& baseline, std::span<const Contestant> contestants,
                                 const EvaluationText& text, const EvaluateOptions& options = {});

}  // namespace regroup
