// The grid of kernels that count their workgroups through x and y.
#pragma once

#include <cstdint>

#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"

namespace regroup {

// `groups` (at least 1, at most 65535 squared) workgroups in x and, beyond the 65535 that x may hold, in y. The grid
// has fewer than y workgroups too many, which the kernel must leave out.
inline Groups folded_grid(std::uint64_t groups) {
  constexpr std::uint64_t kMaxGroups = 65535;
  const std::uint64_t y = (groups + kMaxGroups - 1) / kMaxGroups;
  REGROUP_CHECK(groups > 0 && y <= kMaxGroups);
  return {static_cast<std::uint32_t>((groups + y - 1) / y), static_cast<std::uint32_t>(y), 1};
}

}  // namespace regroup
