#include "runtime/selftest/reference/rms_norm.h"

#include <cmath>

namespace regroup::reference {

std::vector<double> rms_norm(std::span<const float> x, std::span<const float> gain, double epsilon) {
  double squares = 0;
  for (const float value : x) squares += static_cast<double>(value) * value;
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + epsilon);
  std::vector<double> y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * factor * gain[i];
  return y;
}

}  // namespace regroup::reference
