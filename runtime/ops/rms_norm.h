// Root-mean-square normalisation (Zhang and Sennrich 2019): y[t, i] = x[t, i] / sqrt(mean_i x^2 + epsilon) * gain[i].
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct RmsNorm {
  Activations x;    // [tokens, columns]
  Activations y;    // [tokens, columns]; may be x itself
  BufferView gain;  // [columns] f32
  std::uint32_t columns = 0;
  std::uint32_t tokens = 1;
  float epsilon = 1e-5f;
  bool accumulate = false;  // y += normed x (Gemma's norm after attention and after the feed-forward)
};

void record(CommandList& list, const KernelProfile& profile, const RmsNorm& op);

}  // namespace regroup
