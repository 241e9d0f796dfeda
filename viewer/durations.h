// How long things took: counted for ever, percentiles of the latest.
#pragma once

#include <cstdint>
#include <deque>

namespace regroup::view {

class Durations {
 public:
  void add(double ms);
  std::uint64_t count() const { return count_; }
  double percentile(double share) const;  // of the last 2000; 0 without any
  double largest() const { return largest_; }

 private:
  std::deque<double> latest_;
  std::uint64_t count_ = 0;
  double largest_ = 0;
};

}  // namespace regroup::view
