// The way back through a root-mean-square norm: what a gradient of its output says about its input, added to dx.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct NormBackward {
  Activations x;    // [rows, columns]: what was normed
  Activations dy;   // [rows, columns]
  BufferView gain;  // [columns] f32
  Activations dx;   // [rows, columns]
  std::uint32_t columns = 0;
  std::uint32_t rows = 0;
  float epsilon = 1e-5f;
};

void record(CommandList& list, const KernelProfile& profile, const NormBackward& op);

}  // namespace regroup
