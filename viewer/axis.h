// From values to pixels along one direction, with ticks at round numbers.
#pragma once

#include <vector>

namespace regroup::view {

struct Axis {
  double low = 0, high = 1;  // values at the ends
  float from = 0, to = 1;    // pixels at the ends
  bool log2 = false;

  float pixel(double value) const;
  double value(float pixel) const;
};

// About `count` round numbers from low to high: 1, 2, 2.5 or 5 times a power of ten apart, or of two for bytes.
std::vector<double> round_ticks(double low, double high, int count, bool bytes = false);

}  // namespace regroup::view
