// One check of the self-test: an operation on fixed inputs, run by the kernels of one family, compared with the host.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/kv_cache_layout.h"
#include "runtime/selftest/reference/linear.h"

namespace regroup::selftest {

struct Verdict {
  bool passed = true;
  // The largest error as a share of the largest expected value of its comparison; 1 where things should be the same.
  double max_error = 0;

  void add(const Verdict& other) {
    passed = passed && other.passed;
    max_error = std::max(max_error, other.max_error);
  }
};

// What a check does its work with, and where it says what it found.
class CheckRun {
 public:
  CheckRun(Device& device, const KernelProfile& profile)
      : device_(device), profile_(profile), arena_(device, MemoryUse::kDevice, "self-test") {}

  Device& device() { return device_; }
  const KernelProfile& profile() const { return profile_; }
  Arena& arena() { return arena_; }

  template <typename T>
  Buffer& upload(const std::vector<T>& values) {
    Buffer& buffer = arena_.buffer(std::max<std::size_t>(values.size() * sizeof(T), 16), "self-test");
    upload_values<T>(device_, buffer, std::span<const T>(values));
    return buffer;
  }
  template <typename T>
  std::vector<T> read(const BufferView& buffer, std::size_t count) {
    return download_values<T>(device_, buffer, count);
  }
  template <typename Op>
  void run(const Op& op) {
    CommandList list(device_);
    current_.clear();
    record(list, profile_, op);
    for (const Kernel* kernel : list.kernels()) current_.push_back(&verdicts_[kernel->name()]);
    list.run();
  }

  // |got - expected| may be absolute + relative * |expected|.
  void near(std::span<const float> got, std::span<const double> expected, double absolute, double relative);
  void near(std::span<const float> got, std::span<const reference::Expected> expected);
  // Numbers or bytes that must be the very same.
  template <typename T>
  void same(std::span<const T> got, std::span<const T> expected) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      if (got[i] != expected[i]) note(1, 0, 1);
    }
  }
  template <typename T>
  void same(const T& got, const T& expected) {
    if (got != expected) note(1, 0, 1);
  }

  // What was found of each kernel that an operation dispatched. Comparisons speak of the operation that ran last.
  const std::map<std::string, Verdict>& verdicts() const { return verdicts_; }

 private:
  void note(double error, double tolerance, double scale);

  Device& device_;
  const KernelProfile& profile_;
  Arena arena_;
  std::map<std::string, Verdict> verdicts_;
  std::vector<Verdict*> current_;
};

struct Check {
  std::string name;  // "linear q4_0"
  std::function<void(CheckRun&)> run;
};

// What the kernels are wanted for.
struct KernelNeeds {
  std::vector<WeightFormat> formats;
  std::vector<CacheType> cache_types;
  bool logits_compared = false;  // eval, sweep, calibrated merges
  bool calibrating = false;      // what passes over calibration tokens need
  bool thorough = false;         // every variant, in further shapes

  static KernelNeeds everything();
};

// In an order in which what a failure explains comes first.
std::vector<Check> checks_for(const KernelNeeds& needs);

// The lists that it is made of, one file each.
void add_product_checks(std::vector<Check>& checks, const KernelNeeds& needs);
void add_row_checks(std::vector<Check>& checks, const KernelNeeds& needs);
void add_cache_checks(std::vector<Check>& checks, const KernelNeeds& needs);
void add_attention_checks(std::vector<Check>& checks, const KernelNeeds& needs);
void add_sampling_checks(std::vector<Check>& checks, const KernelNeeds& needs);
void add_training_checks(std::vector<Check>& checks, const KernelNeeds& needs);

}  // namespace regroup::selftest
