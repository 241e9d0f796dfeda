// How long work reports itself and is told to stop, without knowing who watches.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>

namespace regroup {

// Called with a short label and the share done in [0, 1]; may be called often, must be quick.
using Progress = std::function<void(std::string_view label, double fraction)>;

// Set from a signal handler or another thread; long work polls it and throws ErrorCode::kInterrupted, or stops early
// with what it has.
using CancelFlag = std::atomic<bool>;

inline bool cancelled(const CancelFlag* flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

}  // namespace regroup
