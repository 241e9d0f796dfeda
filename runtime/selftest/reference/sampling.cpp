#include "runtime/selftest/reference/sampling.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace regroup::reference {

std::vector<double> penalised(std::span<const float> logits, std::span<const std::uint32_t> recent, double penalty) {
  std::vector<double> out(logits.begin(), logits.end());
  for (const std::uint32_t token : recent) {
    if (token < logits.size()) {
      out[token] = logits[token] > 0 ? logits[token] / penalty : logits[token] * penalty;
    }
  }
  return out;
}

Candidates candidates(std::span<const double> logits, std::uint32_t top_k, double top_p, double min_p) {
  Candidates result{std::vector<std::uint32_t>(logits.size()), std::numeric_limits<double>::infinity()};
  std::vector<std::uint32_t>& ids = result.ids;
  std::iota(ids.begin(), ids.end(), 0u);
  std::stable_sort(ids.begin(), ids.end(), [&](std::uint32_t a, std::uint32_t b) { return logits[a] > logits[b]; });
  const double largest = logits[ids[0]];
  if (top_k > 0 && top_k < ids.size()) ids.resize(top_k);
  if (top_p < 1) {
    double total = 0;
    for (const std::uint32_t id : ids) total += std::exp(logits[id] - largest);
    double sum = 0;
    std::size_t kept = 0;
    do {
      sum += std::exp(logits[ids[kept++]] - largest);
      result.margin = std::min(result.margin, std::fabs(sum / total - top_p));
    } while (sum / total < top_p && kept < ids.size());
    ids.resize(kept);
  }
  if (min_p > 0) {
    std::size_t kept = 0;
    while (kept < ids.size() && logits[ids[kept]] >= largest + std::log(min_p)) ++kept;
    for (const std::uint32_t id : ids) {
      result.margin = std::min(result.margin, std::fabs(logits[id] - largest - std::log(min_p)));
    }
    ids.resize(std::max<std::size_t>(kept, 1));
  }
  std::sort(ids.begin(), ids.end());
  return result;
}

std::vector<double> probabilities(std::span<const double> logits, std::span<const std::uint32_t> ids,
                                  double temperature) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const std::uint32_t id : ids) largest = std::max(largest, logits[id]);
  std::vector<double> result;
  double total = 0;
  for (const std::uint32_t id : ids) {
    result.push_back(std::exp((logits[id] - largest) / temperature));
    total += result.back();
  }
  for (double& probability : result) probability /= total;
  return result;
}

}  // namespace regroup::reference
