// How a dispatch is shared by the two workers of a CPU driver. The driver gives the first half of the workgroups to the
// worker that comes first, which is the one on the core that submits, and the second half to the one that it must wake
// first (Device::worker_lag_us). Empty workgroups at the end make the first half larger, so that both end together.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "runtime/gpu/device.h"

namespace regroup {

// Workgroups to dispatch for `groups` that do something, of `ns_per_group` each on one worker: at least `groups`; those
// beyond must do nothing. `groups` itself on any device but a CPU driver of two workers.
inline std::uint32_t shared_groups(double worker_lag_us, std::uint32_t groups, double ns_per_group) {
  if (worker_lag_us <= 0) return groups;
  const double first_half = std::round(0.5 * groups + 500.0 * worker_lag_us / ns_per_group);
  return std::max(groups, 2 * static_cast<std::uint32_t>(std::min<double>(first_half, groups)));
}

}  // namespace regroup
