#include "runtime/selftest/trusted_kernels.h"

#include "runtime/core/error.h"
#include "runtime/selftest/results_file.h"

namespace regroup::selftest {
namespace {

struct Failures {
  std::map<std::string, double> kernels;  // name -> max_error
  std::vector<std::string> problems;
  bool none() const { return kernels.empty() && problems.empty(); }
  std::string describe() const {
    std::vector<std::string> parts = problems;
    for (const auto& [name, error] : kernels) {
      parts.push_back(fmt::format("kernel {} computes wrong results (error {:.2g} of the largest value)", name, error));
    }
    return fmt::format("{}", fmt::join(parts, "; "));
  }
};

Failures verify(Device& device, const KernelProfile& family, const std::vector<Check>& checks, ResultsFile& results) {
  std::string variant;
  for (const std::string& name : device.plain_kernels()) variant += "/plain " + name;
  Failures failures;
  for (const Check& check : checks) {
    std::optional<CheckResult> result = results.find(family, check, variant);
    if (!result) {
      result = run_check(device, family, check);
      results.put(family, check, *result, variant);
    }
    for (const auto& [name, verdict] : result->kernels) {
      if (!verdict.passed) failures.kernels[name] = std::max(failures.kernels[name], verdict.max_error);
    }
    if (!result->problem.empty()) failures.problems.push_back(result->problem);
  }
  return failures;
}

}  // namespace

KernelNeeds kernel_needs(const ModelFile& file, CacheType cache_type, bool regroups) {
  std::set<WeightFormat> formats;
  for (const FileTensor& tensor : file.tensors()) {
    if (tensor.shape.size() > 1) formats.insert(tensor.format);
  }
  if (regroups) formats.insert({WeightFormat::kF32, WeightFormat::kF16});
  return {.formats = {formats.begin(), formats.end()}, .cache_types = {cache_type}};
}

TrustedKernels trusted_kernels(Device& device, std::span<const KernelProfile> families, const KernelNeeds& needs) {
  REGROUP_CHECK(!families.empty());
  const std::vector<Check> checks = checks_for(needs);
  ResultsFile results(device);
  const std::string on = device.info().name;
  std::vector<std::string> remarks;
  std::optional<Failures> first_failures;
  for (const KernelProfile& family : families) {
    const Failures failures = verify(device, family, checks, results);
    if (failures.none()) {
      results.save();
      if (!remarks.empty()) remarks.push_back(fmt::format("kernels {} take over", family.variant_name()));
      return {family, std::move(remarks)};
    }
    remarks.push_back(fmt::format("kernels {} are disabled on {}: {}; `regroup selftest --report FILE` writes a report",
                                  family.variant_name(), on, failures.describe()));
    if (!first_failures) first_failures = failures;
  }
  for (const auto& [name, error] : first_failures->kernels) device.compile_plainly(name);
  const Failures failures = verify(device, families.front(), checks, results);
  results.save();
  if (!failures.none()) {
    throw_error(ErrorCode::kNoDevice, "no kernels compute right on {}: {}; `regroup selftest --report FILE` tells more",
                on, failures.describe());
  }
  return {families.front(),
          {fmt::format("{} on {}; compiled without the driver's optimisations it is right", first_failures->describe(),
                       on)}};
}

void require_kernels(Device& device, const KernelProfile& family, const KernelNeeds& needs) {
  ResultsFile results(device);
  const Failures failures = verify(device, family, checks_for(needs), results);
  results.save();
  if (failures.none()) return;
  throw_error(ErrorCode::kNoDevice,
              "kernels {} do not compute right on {}: {}; `regroup selftest --report FILE` tells more",
              family.variant_name(), device.info().name, failures.describe());
}

}  // namespace regroup::selftest
