#include "plot/axis.h"

#include <algorithm>
#include <cmath>

namespace regroup::plot {
namespace {

// Where a value stands before it is stretched to pixels.
double position(AxisScale scale, double value) {
  switch (scale) {
    case AxisScale::kLog2:
      return std::log2(value);
    case AxisScale::kLog10:
      return std::log10(value);
    case AxisScale::kLinear:
      break;
  }
  return value;
}

double base_of(AxisScale scale) {
  return scale == AxisScale::kLog2 ? 2 : 10;
}

}  // namespace

bool Axis::can_show(double value) const {
  return std::isfinite(value) && (scale == AxisScale::kLinear || value > 0);
}

float Axis::pixel(double value) const {
  const double begin = position(scale, low), end = position(scale, high);
  const double share = end > begin ? (position(scale, value) - begin) / (end - begin) : 0.5;
  return from + static_cast<float>(share) * (to - from);
}

double Axis::value(float pixel) const {
  const double share = static_cast<double>((pixel - from) / (to - from));
  const double begin = position(scale, low), end = position(scale, high);
  const double at = begin + share * (end - begin);
  return scale == AxisScale::kLinear ? at : std::pow(base_of(scale), at);
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

std::vector<double> power_ticks(const Axis& axis, int count) {
  const double base = base_of(axis.scale), low = position(axis.scale, axis.low), high = position(axis.scale, axis.high);
  std::vector<double> ticks;
  const double every = std::max(1.0, std::ceil((high - low) / count));
  for (double at = std::ceil(low); at <= high; at += every) ticks.push_back(std::pow(base, at));
  if (base != 10 || ticks.size() >= 2) return ticks;
  ticks.clear();
  for (double at = std::floor(low); at <= high; ++at) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10.0, at);
      if (std::log10(tick) >= low && std::log10(tick) <= high) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace regroup::plot
