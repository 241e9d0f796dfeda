// How kernels that work row by row (shaders/training/row_sum.glsl) are launched.
#pragma once

#include <string_view>

#include "runtime/ops/folded_grid.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

// The variant of a kernel that this profile's device runs well: a workgroup per row on GPUs, an invocation per row on
// CPU drivers, with texel loads where they are faster and the kernel has such a variant.
inline std::string_view row_kernel(const KernelProfile& profile, std::string_view per_workgroup,
                                   std::string_view per_lane, std::string_view per_lane_texel) {
  if (profile.shape != ProductShape::kRowPerLane) return per_workgroup;
  return profile.texel_loads ? per_lane_texel : per_lane;
}

// A grid of workgroups that covers `rows`; one that is too long for x goes on in y.
inline Groups row_grid(const KernelProfile& profile, std::uint64_t rows) {
  return folded_grid(profile.shape == ProductShape::kRowPerLane ? (rows + 7) / 8 : rows);
}

}  // namespace regroup
