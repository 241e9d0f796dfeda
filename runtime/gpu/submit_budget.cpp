#include "runtime/gpu/submit_budget.h"

#include <algorithm>

namespace regroup {

void SubmitBudget::configure(double max_ms, bool cpu_driver) {
  max_ms_ = std::max(1.0, max_ms);
  bytes_per_ms_ = cpu_driver ? 2e6 : 2e7;
  flops_per_ms_ = cpu_driver ? 1e7 : 2e8;
  bytes_correction_ = flops_correction_ = 1.0;
}

NominalCost SubmitBudget::cost(const Work& work) const {
  // A dispatch that states nothing still costs its launch.
  NominalCost cost{.launch_ms = 0.02};
  const double bytes_ms = work.bytes / bytes_per_ms_, flops_ms = work.flops / flops_per_ms_;
  if (bytes_correction_ * bytes_ms >= flops_correction_ * flops_ms) {
    cost.bytes_ms = bytes_ms;
  } else {
    cost.flops_ms = flops_ms;
  }
  return cost;
}

double SubmitBudget::estimate_ms(const NominalCost& cost) const {
  return cost.launch_ms + bytes_correction_ * cost.bytes_ms + flops_correction_ * cost.flops_ms;
}

void SubmitBudget::learn(const NominalCost& cost, double measured_ms) {
  const double bytes_ms = bytes_correction_ * cost.bytes_ms, flops_ms = flops_correction_ * cost.flops_ms;
  const double work_ms = bytes_ms + flops_ms;
  // Very short submissions measure the launch, not the work. What the device does is judged by the nominal cost: a
  // correction that has become too small must be able to recover.
  if (cost.bytes_ms + cost.flops_ms <= 0.2 || measured_ms <= 0) return;
  const double ratio = std::clamp((measured_ms - cost.launch_ms) / work_ms, 0.2, 5.0);
  const auto follow = [&](std::atomic<double>& correction, double share) {
    correction = std::clamp(correction * (1 + 0.2 * share * (ratio - 1)), 1e-3, 1e3);
  };
  follow(bytes_correction_, bytes_ms / work_ms);
  follow(flops_correction_, flops_ms / work_ms);
}

}  // namespace regroup
