// Runs checks on a device and says of every kernel whether it computes what the host computes in double precision.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "runtime/core/progress.h"
#include "runtime/selftest/check.h"

namespace regroup::selftest {

// What one check found in one family of kernels.
struct CheckResult {
  std::map<std::string, Verdict> kernels;  // by name; those that could not be made are not among them
  std::string problem;                     // an error of the driver's; empty: none
  bool passed() const;
};

// Throws kDeviceLost and kOutOfMemory; every other failure of the driver is a result.
CheckResult run_check(Device& device, const KernelProfile& profile, const Check& check);

struct KernelReport {
  std::string name;
  Verdict verdict;
  bool disabled = false;                   // as a consequence
  std::set<std::string> families, checks;  // that use it
};
struct FamilyReport {
  std::string name;
  std::vector<std::string> failed_checks;
  std::vector<std::string> problems;
};
struct SelfTestReport {
  std::vector<KernelReport> kernels;   // by name
  std::vector<FamilyReport> families;  // best first, as they take over from each other
  bool passed() const;
};

// Every family that the device can run with every check, or with those that `needs` asks for. The results are kept for
// trusted_kernels. Throws kDeviceLost; kInterrupted when cancelled.
SelfTestReport run_self_test(Device& device, const KernelNeeds& needs, const Progress& progress = {},
                             const CancelFlag* cancel = nullptr);

}  // namespace regroup::selftest
