// What a writer is told about a tensor before its data comes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/formats/weight_format.h"

namespace regroup {

struct TensorPlan {
  std::string name;
  WeightFormat format;
  std::vector<std::uint64_t> shape;  // outermost first
};

// File bytes of the tensor's data. Throws std::logic_error when the shape is empty, has a 0, does not fit the format's
// blocks or is too large: the plan is the caller's own.
std::uint64_t planned_bytes(const TensorPlan& plan);

}  // namespace regroup
