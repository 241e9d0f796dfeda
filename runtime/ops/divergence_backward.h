// The gradient of the Kullback-Leibler divergence KL(softmax(baseline) || softmax(logits)) of every row for the logits,
// in their place.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct DivergenceBackward {
  Activations baseline;  // [rows, columns]
  Activations logits;    // [rows, columns]; overwritten by softmax(logits) - softmax(baseline)
  std::uint32_t columns = 0;
  std::uint32_t rows = 0;
};

// Vocabularies that the kernel takes.
inline constexpr std::uint32_t kMostDivergenceColumns = 80000;

void record(CommandList& list, const KernelProfile& profile, const DivergenceBackward& op);

}  // namespace regroup
