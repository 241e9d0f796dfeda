// The filters of a sampled choice in double precision, by sorting all tokens.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace regroup::reference {

// Logits with each token of `recent` penalised once: divided by `penalty` when positive, multiplied when not.
std::vector<double> penalised(std::span<const float> logits, std::span<const std::uint32_t> recent, double penalty);

struct Candidates {
  std::vector<std::uint32_t> ids;  // ascending
  // How near top-p and min-p came to another set: the smaller distance, of a sum of probabilities from top_p or of a
  // logit from min-p's limit.
  double margin;
};
// top_k 0, top_p 1 and min_p 0 are off; each filter looks at what the one before left. Equal logits: the lower id
// first.
Candidates candidates(std::span<const double> logits, std::uint32_t top_k, double top_p, double min_p);

// Softmax of logits / temperature over the ids.
std::vector<double> probabilities(std::span<const double> logits, std::span<const std::uint32_t> ids,
                                  double temperature);

}  // namespace regroup::reference
