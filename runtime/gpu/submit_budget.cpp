#include "runtime/gpu/submit_budget.h"

#include <algorithm>

namespace regroup {

void SubmitBudget::configure(double max_ms, bool cpu_driver) {
  max_ms_ = std::max(1.0, max_ms);
  bytes_per_ms_ = cpu_driver ? 2e6 : 2e7;
  flops_per_ms_ = cpu_driver ? 1e7 : 2e8;
}

double SubmitBudget::estimate_ms(const Work& work) const {
  // A dispatch that states nothing still costs its launch.
  constexpr double kLaunchMs = 0.02;
  return kLaunchMs + correction_ * std::max(work.bytes / bytes_per_ms_, work.flops / flops_per_ms_);
}

void SubmitBudget::learn(double estimated_ms, double measured_ms) {
  // Very short submissions measure the launch, not the work.
  if (estimated_ms <= 0.2 || measured_ms <= 0) return;
  const double ratio = std::clamp(measured_ms / estimated_ms, 0.2, 5.0);
  correction_ = std::clamp(correction_ * (0.8 + 0.2 * ratio), 1e-3, 1e3);
}

}  // namespace regroup
