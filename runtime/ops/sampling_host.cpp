// The choice of the next token on the host: the same filters and the same draw as shaders/sampling/choose.h, by
// sorting.
#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "runtime/core/error.h"
#include "runtime/ops/sampling.h"
#include "runtime/ops/sampling_weight.h"

namespace regroup {
namespace {

struct Candidate {
  std::uint32_t key;
  std::uint32_t id;
};

bool comes_before(const Candidate& a, const Candidate& b) {
  return a.key != b.key ? a.key > b.key : a.id < b.id;
}

std::vector<std::uint32_t> penalised_keys(std::span<const float> logits, std::span<const std::uint32_t> recent,
                                          const SamplingNumbers& numbers) {
  std::vector<std::uint32_t> keys(logits.size());
  std::transform(logits.begin(), logits.end(), keys.begin(), order_key);
  std::unordered_set<std::uint32_t> seen;
  for (const std::uint32_t token : recent.last(std::min<std::size_t>(recent.size(), numbers.penalised_last))) {
    if (token >= logits.size() || !seen.insert(token).second) continue;
    const float logit = logits[token];
    keys[token] = order_key(logit * (logit > 0 ? numbers.reciprocal_penalty : numbers.penalty));
  }
  return keys;
}

std::uint64_t sum_of_weights(std::span<const Candidate> candidates, float largest, float scale) {
  return std::accumulate(candidates.begin(), candidates.end(), std::uint64_t{0},
                         [&](std::uint64_t sum, const Candidate& candidate) {
                           return sum + logit_weight(key_logit(candidate.key), largest, scale);
                         });
}

// What the filters leave, in no order.
std::vector<Candidate> filter(std::span<const std::uint32_t> keys, float largest, const SamplingNumbers& numbers) {
  std::vector<Candidate> candidates(keys.size());
  for (std::uint32_t id = 0; id < keys.size(); ++id) candidates[id] = {keys[id], id};
  if (numbers.top_k > 0) {
    std::nth_element(candidates.begin(), candidates.begin() + numbers.top_k, candidates.end(), comes_before);
    candidates.resize(numbers.top_k);
  }
  if (numbers.with_top_p) {
    const std::uint64_t total = sum_of_weights(candidates, largest, numbers.plain_scale);
    const std::uint64_t wanted = std::max<std::uint64_t>(scale_sum(total, numbers.top_p, true), 1);
    std::sort(candidates.begin(), candidates.end(), comes_before);
    std::uint64_t sum = 0;
    std::size_t kept = 0;
    while (sum < wanted) sum += logit_weight(key_logit(candidates[kept++].key), largest, numbers.plain_scale);
    candidates.resize(kept);
  }
  const std::uint32_t limit = order_key(largest + numbers.log_min_p);
  std::erase_if(candidates, [&](const Candidate& candidate) { return candidate.key < limit; });
  return candidates;
}

std::vector<Candidate> candidates_by_id(std::span<const std::uint32_t> keys, float largest,
                                        const SamplingNumbers& numbers) {
  std::vector<Candidate> candidates = filter(keys, largest, numbers);
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  return candidates;
}

}  // namespace

std::vector<std::uint32_t> sampling_candidates(std::span<const float> logits, std::span<const std::uint32_t> recent,
                                               const SamplingSettings& settings) {
  REGROUP_CHECK(!logits.empty());
  const SamplingNumbers numbers(settings, static_cast<std::uint32_t>(logits.size()));
  const std::vector<std::uint32_t> keys = penalised_keys(logits, recent, numbers);
  const auto best = std::max_element(keys.begin(), keys.end());
  if (settings.temperature <= 0) return {static_cast<std::uint32_t>(best - keys.begin())};
  std::vector<std::uint32_t> ids;
  for (const Candidate& candidate : candidates_by_id(keys, key_logit(*best), numbers)) ids.push_back(candidate.id);
  return ids;
}

std::uint32_t sample_on_host(std::span<const float> logits, std::span<const std::uint32_t> recent,
                             std::uint64_t position, const SamplingSettings& settings) {
  REGROUP_CHECK(!logits.empty());
  const SamplingNumbers numbers(settings, static_cast<std::uint32_t>(logits.size()));
  const std::vector<std::uint32_t> keys = penalised_keys(logits, recent, numbers);
  const auto best = std::max_element(keys.begin(), keys.end());
  if (settings.temperature <= 0) return static_cast<std::uint32_t>(best - keys.begin());
  const float largest = key_logit(*best);
  const std::vector<Candidate> candidates = candidates_by_id(keys, largest, numbers);
  const std::uint64_t total = sum_of_weights(candidates, largest, numbers.draw_scale);
  const std::uint64_t passed =
      scale_sum(total, random_word(settings.seed, static_cast<std::uint32_t>(position)), false);
  std::uint64_t sum = 0;
  for (const Candidate& candidate : candidates) {
    sum += logit_weight(key_logit(candidate.key), largest, numbers.draw_scale);
    if (sum > passed) return candidate.id;
  }
  return candidates.back().id;
}

}  // namespace regroup
