#include "tests/reference/linear.h"

#include <cmath>

namespace regroup::reference {
namespace {

// Rounding errors grow with the number of terms like a random walk; this bound is wide enough for sums of thousands and
// narrow enough that one wrong weight shows.
constexpr double kRelative = 4e-6;
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
    for (std::uint32_t k = 0; k < input.columns; ++k) {
      const double gain = input.gain.empty() ? 1.0 : double{input.gain[k]};
      const double term = double{input.weight[std::size_t{r} * input.columns + k]} * input.x[k] * gain * factor;
      sum += term;
      magnitude += std::abs(term);
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
