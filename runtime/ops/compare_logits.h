// How far one model's predictions are from another's at each position: Kullback-Leibler divergence, negative
// log-likelihoods of the token that follows, and both top tokens. Nothing of vocabulary size leaves the device.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

// What the device writes for each row.
struct ComparedRow {
  float nll = 0;           // -log q[target], q = softmax(logits), in nats
  float divergence = 0;    // sum of p log(p / q), p = softmax(baseline), in nats
  float baseline_nll = 0;  // -log p[target]
  std::uint32_t baseline_top = 0;
  std::uint32_t top = 0;
  std::uint32_t unused[3] = {};
};

struct CompareLogits {
  Activations baseline;  // [rows, columns]
  Activations logits;    // [rows, columns]; may be the same rows
  BufferView targets;    // [rows] u32, each below `columns`
  BufferView scores;     // [rows] of ComparedRow
  std::uint32_t columns = 0;
  std::uint32_t rows = 1;
};

void record(CommandList& list, const KernelProfile& profile, const CompareLogits& op);

}  // namespace regroup
