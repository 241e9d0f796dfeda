#include "viewer/axis.h"

#include <cmath>

namespace regroup::view {

float Axis::pixel(double value) const {
  double low_at = low, high_at = high, at = value;
  if (log2) low_at = std::log2(low), high_at = std::log2(high), at = std::log2(value);
  const double share = high_at > low_at ? (at - low_at) / (high_at - low_at) : 0.5;
  return from + static_cast<float>(share) * (to - from);
}

double Axis::value(float pixel) const {
  const double share = static_cast<double>((pixel - from) / (to - from));
  if (log2) return std::exp2(std::log2(low) + share * (std::log2(high) - std::log2(low)));
  return low + share * (high - low);
}

std::vector<double> round_ticks(double low, double high, int count, bool bytes) {
  std::vector<double> ticks;
  if (!(high > low) || count < 1) return ticks;
  const double rough = (high - low) / count;
  double step = 0;
  if (bytes) {
    step = std::exp2(std::ceil(std::log2(rough)));
  } else {
    const double power = std::pow(10.0, std::floor(std::log10(rough)));
    step = 10 * power;
    for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
      if (factor * power >= rough) {
        step = factor * power;
        break;
      }
    }
  }
  for (double at = std::ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) {
    ticks.push_back(std::abs(at) < step * 1e-9 ? 0.0 : at);  // never "-0"
  }
  return ticks;
}

}  // namespace regroup::view
