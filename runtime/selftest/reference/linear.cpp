#include "runtime/selftest/reference/linear.h"

#include <algorithm>
#include <cmath>

namespace regroup::reference {
namespace {

// Rounding errors grow with the number of terms like a random walk; this bound is wide enough for sums of thousands and
// narrow enough that one wrong weight shows.
constexpr double kRelative = 2e-6;
// Kernels add scale * q * x and minimum * x separately: terms as large as the largest weight that shares the scale.
constexpr std::uint32_t kBlock = 32;
// Largest slope of either activation.
constexpr double kActivationSlope = 1.13;

double activate(GatedActivation kind, double z) {
  if (kind == GatedActivation::kSilu) return z / (1 + std::exp(-z));
  return 0.5 * z * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}

}  // namespace

std::vector<Expected> linear(const LinearInput& input) {
  double factor = 1;
  if (!input.gain.empty()) {
    double squares = 0;
    for (const float x : input.x) squares += double{x} * x;
    factor = 1 / std::sqrt(squares / input.columns + input.epsilon);
  }
  std::vector<Expected> rows(input.rows);
  for (std::uint32_t r = 0; r < input.rows; ++r) {
    double sum = 0, magnitude = 0;
    for (std::uint32_t first = 0; first < input.columns; first += kBlock) {
      double largest_weight = 0, x_magnitude = 0;
      for (std::uint32_t k = first; k < std::min(input.columns, first + kBlock); ++k) {
        const double weight = input.weight[std::size_t{r} * input.columns + k];
        const double x = input.x[k] * factor * (input.gain.empty() ? 1.0 : double{input.gain[k]});
        sum += weight * x;
        largest_weight = std::max(largest_weight, std::abs(weight));
        x_magnitude += std::abs(x);
      }
      magnitude += largest_weight * x_magnitude;
    }
    if (!input.bias.empty()) {
      sum += input.bias[r];
      magnitude += std::abs(double{input.bias[r]});
    }
    rows[r] = {sum, kRelative * magnitude + 1e-30};
  }
  if (input.gated == GatedActivation::kNone) return rows;
  std::vector<Expected> products(input.rows / 2);
  for (std::uint32_t i = 0; i < input.rows / 2; ++i) {
    const Expected& gate = rows[2 * i];
    const Expected& up = rows[2 * i + 1];
    const double activated = activate(input.gated, gate.value);
    const double activation_error = kActivationSlope * gate.tolerance + kRelative * std::abs(activated) + 1e-7;
    products[i] = {activated * up.value,
                   activation_error * (std::abs(up.value) + up.tolerance) + std::abs(activated) * up.tolerance};
  }
  return products;
}

}  // namespace regroup::reference
