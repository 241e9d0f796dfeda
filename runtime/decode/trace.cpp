#include "runtime/decode/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/core/error.h"

namespace regroup {
namespace {

double log_sum(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
  return largest + std::log(sum);
}

bool differ(const TraceFingerprint& a, const TraceFingerprint& b, double tolerance) {
  const double scale = std::max<double>({std::abs(a.norm), std::abs(b.norm), 1e-20});
  // A projection on signs is about as large as the norm.
  return std::abs(a.norm - b.norm) > tolerance * scale || std::abs(a.projection - b.projection) > tolerance * scale;
}

}  // namespace

TraceSplit split_timings(const std::vector<DispatchTiming>& timings) {
  TraceSplit split;
  for (const DispatchTiming& timing : timings) {
    if (timing.label.starts_with("attention")) {
      split.attention_ms += timing.ms;
    } else if (timing.label.starts_with("linear")) {
      split.products_ms += timing.ms;
    } else {
      split.rest_ms += timing.ms;
    }
  }
  return split;
}

TraceFingerprint fingerprint(const float* residual, std::size_t count) {
  double squares = 0, projection = 0;
  for (std::size_t i = 0; i < count; ++i) {
    squares += static_cast<double>(residual[i]) * residual[i];
    // Bits of a multiplicative hash: signs without a pattern that a layer could have by chance.
    projection += (i * 0x9e3779b97f4a7c15ull >> 63) != 0 ? residual[i] : -residual[i];
  }
  return {static_cast<float>(std::sqrt(squares)), static_cast<float>(projection)};
}

std::size_t Trace::prompt_tokens() const {
  return static_cast<std::size_t>(
      std::count_if(tokens.begin(), tokens.end(), [](const TraceToken& token) { return token.prompt; }));
}

TraceDifference compare_traces(const Trace& a, const Trace& b, double tolerance) {
  TraceDifference difference;
  const std::size_t common = std::min(a.tokens.size(), b.tokens.size());
  for (std::size_t t = 0; t < common; ++t) {
    const TraceToken &x = a.tokens[t], &y = b.tokens[t];
    ++difference.compared_tokens;
    const std::size_t layers = std::min(x.layers.size(), y.layers.size());
    difference.compared_layers += layers;
    for (std::size_t l = 0; l < layers && !difference.first_layer; ++l) {
      if (!differ(x.layers[l], y.layers[l], tolerance)) continue;
      difference.layer_token = t;
      difference.first_layer = static_cast<std::uint32_t>(l);
    }
    if (x.id != y.id) {
      difference.first_token = t;
      return difference;  // behind it the texts differ, and with them everything
    }
  }
  if (a.tokens.size() != b.tokens.size()) difference.first_token = common;
  return difference;
}

std::string TraceDifference::describe() const {
  std::string text;
  if (first_token) {
    text = *first_token < compared_tokens
               ? fmt::format("The first token that differs is number {}.", *first_token)
               : fmt::format("One run ends at token {}; up to there they agree.", *first_token);
  } else {
    text = fmt::format("All {} tokens agree.", compared_tokens);
  }
  if (first_layer) {
    text += fmt::format(" The first layer that differs is layer {}, at token {}.", *first_layer, *layer_token);
  } else if (compared_layers > 0) {
    text += " No layer differs up to there.";
  } else {
    text += " Layers were not recorded in both.";
  }
  return text;
}

std::vector<TraceAlternative> best_alternatives(const std::vector<float>& logits, std::size_t count) {
  std::vector<std::uint32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0u);
  count = std::min(count, order.size());
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
      [&](std::uint32_t a, std::uint32_t b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  std::vector<TraceAlternative> best;
  if (count == 0) return best;
  const double normaliser = log_sum(logits);
  for (std::size_t i = 0; i < count; ++i) {
    best.push_back({order[i], static_cast<float>(std::exp(static_cast<double>(logits[order[i]]) - normaliser)), {}});
  }
  return best;
}

float probability_of(const std::vector<float>& logits, std::uint32_t id) {
  return static_cast<float>(std::exp(static_cast<double>(logits[id]) - log_sum(logits)));
}

TraceQuality compare_logits(const std::vector<float>& reference, const std::vector<float>& logits) {
  REGROUP_CHECK(!reference.empty() && reference.size() == logits.size());
  const double p_sum = log_sum(reference), q_sum = log_sum(logits);
  double kl = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double log_p = static_cast<double>(reference[i]) - p_sum, log_q = static_cast<double>(logits[i]) - q_sum;
    kl += std::exp(log_p) * (log_p - log_q);
  }
  const auto top = [](const std::vector<float>& v) { return std::max_element(v.begin(), v.end()) - v.begin(); };
  return {.kl = std::max(0.0, kl), .same_top = top(reference) == top(logits)};
}

}  // namespace regroup
