// The way back through a gated product, in place: gate becomes its own gradient, up becomes its own.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct GateBackward {
  Activations gate;  // [tokens, columns]
  Activations up;    // [tokens, columns]
  Activations dy;    // [tokens, columns]: the gradient of act(gate) * up
  std::uint32_t columns = 0;
  std::uint32_t tokens = 1;
  GatedActivation activation = GatedActivation::kSilu;
};

void record(CommandList& list, const KernelProfile& profile, const GateBackward& op);

}  // namespace regroup
