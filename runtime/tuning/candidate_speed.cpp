#include "runtime/tuning/candidate_speed.h"

#include <algorithm>
#include <numeric>

namespace regroup::tuning {
namespace {

// Another candidate must take no more than this share of the first one's time.
constexpr double kClearlyFaster = 0.9;

}  // namespace

std::vector<std::size_t> order_of(const std::vector<CandidateSpeed>& speeds) {
  std::vector<std::size_t> order(speeds.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto ms = [&](std::size_t i) { return i == 0 ? speeds[i].ms * kClearlyFaster : speeds[i].ms; };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ms(a) < ms(b); });
  return order;
}

}  // namespace regroup::tuning
