#include "viewer/durations.h"

#include <algorithm>
#include <vector>

namespace regroup::view {

void Durations::add(double ms) {
  constexpr std::size_t kKept = 2000;
  latest_.push_back(ms);
  if (latest_.size() > kKept) latest_.pop_front();
  ++count_;
  largest_ = std::max(largest_, ms);
}

double Durations::percentile(double share) const {
  if (latest_.empty()) return 0;
  std::vector<double> sorted(latest_.begin(), latest_.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

}  // namespace regroup::view
