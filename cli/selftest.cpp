// regroup selftest: every kernel on the user's own device against the host in double precision.
#include <chrono>
#include <cstdio>

#include "cli/command.h"
#include "cli/device_json.h"
#include "runtime/core/error.h"
#include "runtime/file/replace_file.h"
#include "runtime/selftest/self_test.h"

namespace regroup::cli {
namespace {

struct SelfTestOptions {
  DeviceChoice device;
  std::string report;
  bool json = false;
};

Json report_json(const Device& device, const selftest::SelfTestReport& report, double seconds) {
  Json json{{"kind", "regroup-selftest"}, {"regroup", REGROUP_VERSION}, {"device", device_json(device.info())}};
  json["features"] = feature_json(device.features());
  Json families = Json::array(), kernels = Json::array();
  std::string chosen;
  for (const selftest::FamilyReport& family : report.families) {
    const bool passed = family.failed_checks.empty();
    if (passed && chosen.empty()) chosen = family.name;
    families.push_back({{"name", family.name},
                        {"passed", passed},
                        {"failed_checks", family.failed_checks},
                        {"problems", family.problems}});
  }
  std::size_t failed = 0;
  for (const selftest::KernelReport& kernel : report.kernels) {
    failed += kernel.verdict.passed ? 0 : 1;
    kernels.push_back({{"name", kernel.name},
                       {"passed", kernel.verdict.passed},
                       {"max_error", kernel.verdict.max_error},
                       {"disabled", kernel.disabled},
                       {"families", kernel.families},
                       {"checks", kernel.checks}});
  }
  json["passed"] = report.passed();
  json["chosen"] = chosen;  // by runs that need all of it; empty: none is right throughout
  json["kernels_tested"] = report.kernels.size();
  json["kernels_failed"] = failed;
  json["seconds"] = seconds;
  json["families"] = std::move(families);
  json["kernels"] = std::move(kernels);
  return json;
}

void write_report(const std::string& path, const Json& document) {
  Json whole{{"schema", kJsonSchema}};
  whole.update(document);
  const std::string text = whole.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
  replace_file(path, text);
}

void print_text(const Device& device, const selftest::SelfTestReport& report, double seconds) {
  const DeviceInfo& info = device.info();
  std::printf("%s\n   driver %s, UUID %s\n", info.name.c_str(), info.driver.c_str(), info.uuid_text().c_str());
  for (const selftest::FamilyReport& family : report.families) {
    double worst = 0;
    std::size_t kernels = 0;
    for (const selftest::KernelReport& kernel : report.kernels) {
      if (!kernel.families.contains(family.name)) continue;
      ++kernels;
      worst = std::max(worst, kernel.verdict.max_error);
    }
    std::printf("   %-13s %4zu kernels, largest error %.1e: %s\n", family.name.c_str(), kernels, worst,
                family.failed_checks.empty() ? "passed" : "FAILED, disabled where it fails");
    for (const std::string& problem : family.problems) std::printf("      %s\n", problem.c_str());
  }
  for (const selftest::KernelReport& kernel : report.kernels) {
    if (kernel.verdict.passed) continue;
    std::printf("   disabled: %s, error %.2g of the largest value (%s)\n", kernel.name.c_str(),
                kernel.verdict.max_error, fmt::format("{}", fmt::join(kernel.checks, ", ")).c_str());
  }
  std::printf("   %zu kernels in %.1f s: %s\n", report.kernels.size(), seconds,
              report.passed() ? "all as the host computes" : "some compute wrong results; others take over");
}

int self_test(const SelfTestOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const Instance instance;
  const auto device = options.device.open(instance);
  const selftest::SelfTestReport report = selftest::run_self_test(
      *device, selftest::KernelNeeds::everything(), progress_on_stderr(options.device.quiet), &interrupt_flag());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Json document = report_json(*device, report, seconds);
  if (!options.report.empty()) write_report(options.report, document);
  if (options.json) {
    print_json(document);
  } else {
    print_text(*device, report, seconds);
  }
  device->save_pipeline_cache();
  return report.passed() ? 0 : 1;
}

}  // namespace

std::function<int()> add_selftest(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "selftest",
      "Example:\n  regroup selftest --report report.json\n\n"
      "Runs every kernel on this device and compares it with the host in double precision. What fails is disabled, "
      "here\n"
      "and in every command, and another kernel takes its place; attach the report to a bug report. Exit code 1 when\n"
      "something failed. A short form of it runs by itself before a device is used for the first time.");
  const auto options = std::make_shared<SelfTestOptions>();
  command->add_option("--report", options->report, "write the JSON document to this file as well")
      ->check(output_file());
  command->add_flag("--json", options->json, "one JSON document on stdout");
  options->device.add_options(*command);
  return [options] { return self_test(*options); };
}

}  // namespace regroup::cli
