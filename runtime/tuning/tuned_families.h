// Which kernels decode fastest on this very device. The static table by device class (runtime/ops/kernel_profile.h)
// gives the candidates: its families for the class, those for GPUs with several numbers of invocations to a row. On
// first use of a class of shapes each is timed for a moment; what was found is kept in the user's cache
// (timings_file.h). Only the order of candidates follows from it: whether one computes right is for the self-test to
// say.
#pragma once

#include <optional>
#include <vector>

#include "runtime/file/model_file.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/tuning/product_times.h"

namespace regroup::tuning {

// The matrices that hold most bytes of the file, all of which decoding reads for every token; nothing where the file
// has no matrix.
std::optional<Shape> shape_of(const ModelFile& file);

// kernel_profiles(device) in the order in which they should be tried for this shape: the candidates by their speed, the
// families for other classes behind them. The table's order where there is nothing to choose from, no shape, or no
// folder to keep timings in (Device::cache_directory). Nothing is timed where kernels are spoiled on purpose. The first
// use takes up to 100 ms beside compiling; it cannot be cancelled. Throws kDeviceLost.
std::vector<KernelProfile> tuned_families(Device& device, const std::optional<Shape>& shape);

}  // namespace regroup::tuning
