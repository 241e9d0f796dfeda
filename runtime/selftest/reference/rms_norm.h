// Root-mean-square normalisation in double precision.
#pragma once

#include <span>
#include <vector>

namespace regroup::reference {

// x / sqrt(mean x^2 + epsilon) * gain for one row.
std::vector<double> rms_norm(std::span<const float> x, std::span<const float> gain, double epsilon);

}  // namespace regroup::reference
