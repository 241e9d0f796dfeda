// How fast candidates multiply: one token times matrices of a shape, which is most of what decoding does.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/formats/weight_format.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup::tuning {

struct Shape {
  WeightFormat format = WeightFormat::kF32;
  std::uint32_t rows = 0, columns = 0;

  // Timings are kept for a class: the format and the powers of two below the sizes, "q4_1 1024 x 512".
  std::string class_name() const;
};

// Milliseconds (of a CPU driver: of CPU time) that each candidate takes for the same work, the least of several runs in
// turn with the others. Their kernels are compiled first and their results compared with the host's. Infinite: wrong
// results; nothing: an error of the driver's, which may be gone another time. Takes some 20 ms for each candidate
// beside compiling. Throws kDeviceLost, kOutOfMemory.
std::vector<std::optional<double>> product_times(Device& device, std::span<const KernelProfile> candidates,
                                                 const Shape& shape);

}  // namespace regroup::tuning
