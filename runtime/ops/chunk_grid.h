// Grid of kernels that walk rows element by element, in chunks of four.
#pragma once

#include <cstdint>

#include "runtime/gpu/command_list.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

// Chunks that an invocation takes: on CPU drivers a workgroup costs as much as some 40 elements.
inline std::uint32_t chunks_each(const KernelProfile& profile) {
  return profile.shape == ProductShape::kRowPerLane ? 16 : 1;
}

// For rows of so many chunks: x spans the chunks of a row, y the rows.
inline Groups chunk_grid(const KernelProfile& profile, std::uint32_t chunks, std::uint32_t rows) {
  const std::uint32_t per_workgroup = chunks_each(profile) * profile.lanes;
  return {.x = (chunks + per_workgroup - 1) / per_workgroup, .y = rows};
}

}  // namespace regroup
