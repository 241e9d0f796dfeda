#include "runtime/selftest/self_test.h"

#include "runtime/core/error.h"
#include "runtime/selftest/results_file.h"

namespace regroup::selftest {

bool CheckResult::passed() const {
  const bool right = std::all_of(kernels.begin(), kernels.end(), [](const auto& entry) { return entry.second.passed; });
  return right && problem.empty();
}

CheckResult run_check(Device& device, const KernelProfile& profile, const Check& check) {
  CheckRun run(device, profile);
  CheckResult result;
  try {
    check.run(run);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kDeviceLost || error.code() == ErrorCode::kOutOfMemory) throw;
    result.problem = error.what();
  }
  result.kernels = run.verdicts();
  return result;
}

bool SelfTestReport::passed() const {
  return std::all_of(families.begin(), families.end(),
                     [](const FamilyReport& family) { return family.failed_checks.empty(); });
}

SelfTestReport run_self_test(Device& device, const KernelNeeds& needs, const Progress& progress,
                             const CancelFlag* cancel) {
  const std::vector<Check> checks = checks_for(needs);
  const std::vector<KernelProfile> families = kernel_profiles(device);
  ResultsFile results(device);
  SelfTestReport report;
  std::map<std::string, KernelReport> kernels;
  double done = 0;
  for (const KernelProfile& family : families) {
    FamilyReport& row = report.families.emplace_back(FamilyReport{.name = std::string(family.name)});
    for (const Check& check : checks) {
      if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "the self-test was stopped");
      const CheckResult result = run_check(device, family, check);
      results.put(family, check, result);
      for (const auto& [name, verdict] : result.kernels) {
        KernelReport& kernel = kernels.try_emplace(name, KernelReport{.name = name}).first->second;
        kernel.verdict.add(verdict);
        kernel.families.insert(row.name);
        kernel.checks.insert(check.name);
      }
      if (!result.passed()) row.failed_checks.push_back(check.name);
      if (!result.problem.empty()) row.problems.push_back(result.problem);
      done += 1;
      if (progress) progress("self-test", done / static_cast<double>(families.size() * checks.size()));
    }
  }
  for (auto& [name, kernel] : kernels) {
    kernel.disabled = !kernel.verdict.passed;
    report.kernels.push_back(std::move(kernel));
  }
  results.save();
  return report;
}

}  // namespace regroup::selftest
