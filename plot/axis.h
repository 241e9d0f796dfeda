// From values to pixels along one direction, with ticks at round numbers.
#pragma once

#include <vector>

namespace regroup::plot {

enum class AxisScale { kLinear, kLog2, kLog10 };

struct Axis {
  double low = 0, high = 1;  // values at the ends
  float from = 0, to = 1;    // pixels at the ends
  AxisScale scale = AxisScale::kLinear;

  // Whether the value has a place on such an axis: finite, and positive where the scale is logarithmic.
  bool can_show(double value) const;
  float pixel(double value) const;
  double value(float pixel) const;
};

// About `count` round numbers from low to high: 1, 2, 2.5 or 5 times a power of ten apart, or of two for bytes.
std::vector<double> round_ticks(double low, double high, int count, bool bytes = false);
// Powers of the axis's base, every n-th where there were more than `count`; less than two decades have 2 and 5 times
// their powers as well.
std::vector<double> power_ticks(const Axis& axis, int count);

}  // namespace regroup::plot
