// How much work may go into one submission: estimated from bytes and operations, learned from what submissions took.
#pragma once

#include <cstdint>

namespace regroup {

// What a dispatch reads, writes and computes, as far as its op knows.
struct Work {
  double bytes = 0;
  double flops = 0;
};

class SubmitBudget {
 public:
  // Starting rates are pessimistic, so that the first submissions are short on any device.
  void configure(double max_ms, bool cpu_driver);
  double max_ms() const { return max_ms_; }
  double estimate_ms(const Work& work) const;
  // Tells what a submission of estimated length took; the next estimates follow.
  void learn(double estimated_ms, double measured_ms);

 private:
  double max_ms_ = 100.0;
  double bytes_per_ms_ = 2e6;
  double flops_per_ms_ = 1e7;
  double correction_ = 1.0;
};

}  // namespace regroup
