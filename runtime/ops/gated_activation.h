// SwiGLU and GeGLU where gate and up could not be folded into one product: y[t, i] = act(gate[t, i]) * up[t, i].
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct GatedProduct {
  Activations gate;  // [tokens, columns]
  Activations up;    // [tokens, columns]
  Activations y;     // [tokens, columns]; may be gate
  std::uint32_t columns = 0;
  std::uint32_t tokens = 1;
  GatedActivation activation = GatedActivation::kSilu;
};

void record(CommandList& list, const KernelProfile& profile, const GatedProduct& op);

}  // namespace regroup
