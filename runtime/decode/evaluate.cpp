#include "runtime/decode/evaluate.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/compare_logits.h"

namespace regroup {
namespace {

// Logits that one step leaves on the device: enough rows to make its products efficient, within this many bytes.
constexpr std::uint64_t kLogitBytes = 32u << 20;
constexpr std::uint32_t kMostRows = 128;
constexpr std::uint32_t kLeastRows = 16;

std::uint32_t rows_per_step(std::uint32_t vocabulary) {
  const std::uint64_t rows = kLogitBytes / (std::uint64_t{vocabulary} * 4);
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(rows, kLeastRows, kMostRows));
}

bool is_same(const Contestant& a, const Contestant& b) {
  return &a.model == &b.model && &a.grouping == &b.grouping && a.cache_type == b.cache_type;
}

double percentile(std::vector<float> values, double share) {
  std::sort(values.begin(), values.end());
  const double place = share * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
}

// The comparison of the rows that two sessions have on the device.
class Comparison {
 public:
  Comparison(const Model& model, std::uint32_t rows)
      : model_(model),
        arena_(model.device(), MemoryUse::kDevice, "comparison"),
        targets_(arena_.buffer(rows * 4ull, "targets")),
        scores_(arena_.buffer(rows * sizeof(ComparedRow), "scores")),
        list_(model.device()) {}

  std::vector<TokenScore> run(const Activations& baseline, const Activations& logits,
                              std::span<const std::uint32_t> targets) {
    const auto rows = static_cast<std::uint32_t>(targets.size());
    upload_values<std::uint32_t>(model_.device(), targets_, targets);
    list_.reset();
    record(list_, model_.profile(),
           CompareLogits{.baseline = baseline,
                         .logits = logits,
                         .targets = targets_,
                         .scores = scores_,
                         .columns = model_.config().vocabulary,
                         .rows = rows});
    list_.run();
    std::vector<TokenScore> out;
    for (const ComparedRow& row : download_values<ComparedRow>(model_.device(), scores_, rows)) {
      if (std::isnan(row.nll) || std::isnan(row.baseline_nll)) {
        throw_error(ErrorCode::kNotANumber,
                    "the model produced logits that are not numbers on {}; try --kv f32, or `regroup selftest`",
                    model_.device().info().name);
      }
      // Rounding may leave a divergence of nothing slightly negative.
      out.push_back(
          {targets[out.size()], row.nll, row.baseline_nll, std::max(row.divergence, 0.0f), row.baseline_top, row.top});
    }
    return out;
  }

 private:
  const Model& model_;
  Arena arena_;
  const Buffer& targets_;
  const Buffer& scores_;
  CommandList list_;
};

std::unique_ptr<Session> open_session(const Contestant& who, std::uint32_t context, std::uint32_t rows) {
  return std::make_unique<Session>(
      who.model, who.grouping,
      SessionOptions{.context = context, .cache_type = who.cache_type, .prefill_chunk = rows, .logit_rows = rows});
}

}  // namespace

std::uint64_t EvaluationText::scored_tokens() const {
  std::uint64_t tokens = 0;
  for (const auto& chunk : chunks) tokens += chunk.size() - 1;
  return tokens;
}

EvaluationText cut_tokens(std::span<const std::uint32_t> ids, std::uint32_t chunk_tokens) {
  REGROUP_CHECK(chunk_tokens >= 2);
  EvaluationText text;
  for (std::size_t at = 0; at + 1 < ids.size(); at += chunk_tokens) {
    const auto part = ids.subspan(at, std::min<std::size_t>(chunk_tokens, ids.size() - at));
    if (part.size() >= 2) text.chunks.emplace_back(part.begin(), part.end());
  }
  if (text.chunks.empty()) throw_error(ErrorCode::kUsage, "the text has {} tokens: nothing to score", ids.size());
  return text;
}

EvaluationText cut_text(const Tokenizer& tokenizer, std::string_view text, std::uint32_t chunk_tokens) {
  const std::vector<std::uint32_t> ids = tokenizer.encode(text, {.add_special = false});
  if (!tokenizer.adds_bos()) return cut_tokens(ids, chunk_tokens);
  REGROUP_CHECK(chunk_tokens >= 2);
  EvaluationText out;
  for (std::size_t at = 0; at < ids.size(); at += chunk_tokens - 1) {
    const auto part = std::span(ids).subspan(at, std::min<std::size_t>(chunk_tokens - 1, ids.size() - at));
    std::vector<std::uint32_t>& chunk = out.chunks.emplace_back(1, *tokenizer.bos());
    chunk.insert(chunk.end(), part.begin(), part.end());
  }
  if (out.chunks.empty()) throw_error(ErrorCode::kUsage, "the text is empty: nothing to score");
  return out;
}

Evaluation summarise_scores(std::span<const TokenScore> scores) {
  REGROUP_CHECK(!scores.empty());
  Evaluation result{.tokens = scores.size()};
  double nll = 0, baseline_nll = 0;
  std::uint64_t same = 0;
  std::vector<float> divergences;
  for (const TokenScore& score : scores) {
    nll += score.nll;
    baseline_nll += score.baseline_nll;
    result.kl_mean += score.divergence;
    same += score.same_top() ? 1 : 0;
    divergences.push_back(score.divergence);
  }
  const auto count = static_cast<double>(scores.size());
  result.perplexity = std::exp(nll / count);
  result.baseline_perplexity = std::exp(baseline_nll / count);
  result.kl_mean /= count;
  result.kl_p99 = percentile(std::move(divergences), 0.99);
  result.same_top = static_cast<double>(same) / count;
  return result;
}

std::vector<Evaluation> evaluate(const Contestant& baseline, std::span<const Contestant> contestants,
                                 const EvaluationText& text, const EvaluateOptions& options) {
  const std::uint32_t vocabulary = baseline.model.config().vocabulary;
  for (const Contestant& who : contestants) {
    REGROUP_CHECK(&who.model.device() == &baseline.model.device());
    if (who.model.config().vocabulary != vocabulary) {
      throw_error(ErrorCode::kUsage, "the baseline has a vocabulary of {}, the model one of {}; they must be the same",
                  vocabulary, who.model.config().vocabulary);
    }
  }
  std::size_t longest = 0;
  for (const auto& chunk : text.chunks) longest = std::max(longest, chunk.size());
  REGROUP_CHECK(longest >= 2);
  const auto context = static_cast<std::uint32_t>(longest - 1);  // the last token is only a target
  const std::uint32_t rows = std::min(rows_per_step(vocabulary), context);
  const std::unique_ptr<Session> reference = open_session(baseline, context, rows);
  std::vector<std::unique_ptr<Session>> sessions;  // null: the baseline itself
  for (const Contestant& who : contestants) {
    sessions.push_back(is_same(who, baseline) ? nullptr : open_session(who, context, rows));
  }
  Comparison comparison(baseline.model, rows);
  std::vector<std::vector<TokenScore>> scores(contestants.size());
  std::uint64_t done = 0;
  const std::uint64_t total = text.scored_tokens();
  for (const std::vector<std::uint32_t>& chunk : text.chunks) {
    reference->rewind(0);
    for (const auto& session : sessions) {
      if (session) session->rewind(0);
    }
    for (std::size_t at = 0; at + 1 < chunk.size();) {
      const std::size_t count = std::min<std::size_t>(rows, chunk.size() - 1 - at);
      const auto fed = std::span(chunk).subspan(at, count);
      const auto targets = std::span(chunk).subspan(at + 1, count);
      const Activations expected = reference->device_logits(fed, options.cancel);
      for (std::size_t i = 0; i < sessions.size(); ++i) {
        const Activations logits = sessions[i] ? sessions[i]->device_logits(fed, options.cancel) : expected;
        const std::vector<TokenScore> found = comparison.run(expected, logits, targets);
        if (options.on_scores) options.on_scores(i, found);
        scores[i].insert(scores[i].end(), found.begin(), found.end());
      }
      at += count;
      done += count;
      if (options.progress) {
        options.progress("evaluating", static_cast<double>(done) / static_cast<double>(total));
      }
    }
  }
  std::vector<Evaluation> results;
  for (const auto& list : scores) results.push_back(summarise_scores(list));
  return results;
}

}  // namespace regroup
