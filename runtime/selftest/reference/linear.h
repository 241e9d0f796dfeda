// Products with a weight matrix in double precision, with the error that f32 kernels may make.
#pragma once

#include <span>
#include <vector>

#include "runtime/ops/linear.h"

namespace regroup::reference {

struct LinearInput {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::span<const float> weight;  // [rows, columns]
  std::span<const float> x;       // [columns]
  std::span<const float> gain;    // [columns], or empty: no norm
  double epsilon = 0;
  std::span<const float> bias;  // [rows], or empty
  GatedActivation gated = GatedActivation::kNone;
};

// One result and the largest difference from it that rounding every product and sum to f32 explains.
struct Expected {
  double value;
  double tolerance;
};

// One token: [rows], gated [rows / 2].
std::vector<Expected> linear(const LinearInput& input);

}  // namespace regroup::reference
