// How much work may go into one submission: estimated from bytes and operations, learned from what submissions took.
#pragma once

#include <atomic>
#include <cstdint>

namespace regroup {

// What a dispatch reads, writes and computes, as far as its op knows.
struct Work {
  double bytes = 0;
  double flops = 0;
};

// What a piece of work costs at the starting rates, before any correction. Kept by recorded submissions, so that a
// recording which runs a thousand times is always compared with what is known now, not with what was known then.
struct NominalCost {
  double launch_ms = 0;
  double bytes_ms = 0;  // of dispatches that memory holds back
  double flops_ms = 0;  // of those that arithmetic holds back

  NominalCost& operator+=(const NominalCost& other) {
    launch_ms += other.launch_ms;
    bytes_ms += other.bytes_ms;
    flops_ms += other.flops_ms;
    return *this;
  }
};

// A device that was lost is opened again with submissions of this share of their length: too long ones are what drivers
// most often give up on.
inline constexpr double kSubmitShareAfterLoss = 0.25;

// Threads that each submit to one device share it: corrections are read and written at any time, and one that is lost
// to another thread is learned again.
class SubmitBudget {
 public:
  // Begins anew. Starting rates are pessimistic, so that the first submissions are short on any device.
  void configure(double max_ms, bool cpu_driver);
  double max_ms() const { return max_ms_; }
  NominalCost cost(const Work& work) const;
  double estimate_ms(const NominalCost& cost) const;
  double estimate_ms(const Work& work) const { return estimate_ms(cost(work)); }
  // Tells what a submission of this cost took; the next estimates follow, slowly.
  void learn(const NominalCost& cost, double measured_ms);

 private:
  double max_ms_ = 100.0;
  double bytes_per_ms_ = 2e6;
  double flops_per_ms_ = 1e7;
  std::atomic<double> bytes_correction_ = 1.0;
  std::atomic<double> flops_correction_ = 1.0;
};

}  // namespace regroup
