#include "runtime/selftest/reference/gated_activation.h"

#include <cmath>
#include <numbers>

namespace regroup::reference {

double silu(double z) {
  return z / (1.0 + std::exp(-z));
}

double gelu_tanh(double z) {
  const double w = std::sqrt(2.0 / std::numbers::pi) * (z + 0.044715 * z * z * z);
  return 0.5 * z * (1.0 + std::tanh(w));
}

}  // namespace regroup::reference
