// Ridge least squares by preconditioned conjugate gradients, where the curvature is only known by what it does to a
// direction (Hestenes and Stiefel 1952).
#pragma once

#include <functional>
#include <vector>

#include "converter/attention_layer.h"

namespace regroup {

struct LeastSquares {
  // H times a direction: a pass over the calibration tokens.
  std::function<WeightRows(const WeightRows&)> curvature;
  // Minus the gradient where the iteration begins.
  WeightRows descent;
  // Rough inverse of the curvature, in place.
  std::function<void(WeightRows&)> precondition;
  // So many rows form a problem of their own with its own step lengths; 0: all rows are one problem.
  Eigen::Index block_rows = 0;
  // Weight of the distance from the beginning, in the preconditioner's metric, as a share of the curvature along the
  // first direction.
  double ridge = 0;
  int iterations = 0;
};

// The step from the beginning to the minimum of 1/2 <x, H x> - <descent, x> + ridge, as far as the iterations come. The
// same input gives the same bits.
WeightRows solve(const LeastSquares& problem);

}  // namespace regroup
