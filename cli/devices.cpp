// regroup devices: every Vulkan device, what it offers, and all reasons for which one is refused.
#include <cmath>
#include <cstdio>

#include "cli/command.h"
#include "cli/device_json.h"
#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/tuning/timings_file.h"

namespace regroup::cli {
namespace {

struct DevicesOptions {
  DeviceChoice device;
  bool json = false;
};

// What was timed on a device, one row for each class of shapes.
Json timings_json(const std::vector<tuning::ShapeTiming>& timings) {
  Json rows = Json::array();
  for (const tuning::ShapeTiming& timing : timings) {
    Json ms = Json::object();
    for (const tuning::CandidateSpeed& speed : timing.speeds) ms[speed.name] = speed.ms;
    rows.push_back(
        {{"shape", timing.shape}, {"kernels", timing.chosen()}, {"settled", timing.settled()}, {"ms", std::move(ms)}});
  }
  return rows;
}

void print_timings(const std::vector<tuning::ShapeTiming>& timings) {
  for (const tuning::ShapeTiming& timing : timings) {
    std::string times;
    for (const tuning::CandidateSpeed& speed : timing.speeds) {
      times += fmt::format("{}{} {}", times.empty() ? "" : ", ", speed.name,
                           std::isfinite(speed.ms) ? fmt::format("{:.3g} ms", speed.ms) : "computes wrong results");
    }
    std::printf("   for %s: %s (%s%s)\n", timing.shape.c_str(), timing.chosen().c_str(), times.c_str(),
                timing.settled() ? "" : "; to be timed once more");
  }
}

int devices(const DevicesOptions& options) {
  const Instance instance;
  const FeatureMask mask = FeatureMask::parse(options.device.require, options.device.disable);
  Json list = Json::array();
  for (DeviceInfo info : instance.devices()) {
    std::string kernels;
    std::uint64_t free_bytes = 0;
    std::vector<tuning::ShapeTiming> timings;
    if (info.refusals.empty()) {
      timings = tuning::TimingsFile(cache_directory(), info).timings();
      DeviceOptions open;
      open.which = std::to_string(info.index);
      open.mask = mask;
      try {
        const auto device = Device::open(instance, open);
        kernels = kernel_profile(*device).name;
        free_bytes = device->free_memory_bytes();
      } catch (const Error& error) {
        info.refusals.emplace_back(error.what());  // one broken driver does not hide the others
      }
    }
    const bool usable = info.refusals.empty();
    const DeviceFeatures features = apply_mask(info.features, mask);
    Json row = device_json(info);
    row.update({{"memory_bytes", info.memory_bytes},
                {"free_bytes", free_bytes},
                {"usable", usable},
                {"refusals", info.refusals},
                {"kernels", kernels},
                {"timed", timings_json(timings)},
                {"features", feature_json(features)}});
    list.push_back(std::move(row));
    if (options.json) continue;
    std::printf("%u: %s (%s, %s)\n   driver %s, Vulkan %s, UUID %s\n", info.index, info.name.c_str(),
                info.vendor.c_str(), std::string(device_type_name(info.type)).c_str(), info.driver.c_str(),
                list.back()["api_version"].get<std::string>().c_str(), info.uuid_text().c_str());
    std::printf("   memory %s, free %s\n", human_bytes(info.memory_bytes).c_str(), human_bytes(free_bytes).c_str());
    std::printf("   fp16 %s, 16-bit storage %s, int8 %s, integer dot %s, subgroups of %u%s\n",
                features.fp16 ? "yes" : "no", features.storage_16bit ? "yes" : "no", features.int8 ? "yes" : "no",
                features.integer_dot ? "yes" : "no", features.subgroup_size,
                features.subgroup_size > 1 ? "" : " (none used)");
    if (usable) std::printf("   kernels: %s\n", kernels.c_str());
    print_timings(timings);
    for (const std::string& reason : info.refusals) std::printf("   refused: %s\n", reason.c_str());
  }
  if (options.json) {
    print_json({{"devices", list}});
  } else if (list.empty()) {
    throw_error(ErrorCode::kNoDevice,
                "no Vulkan device found; install a driver (Debian's CPU driver: mesa-vulkan-drivers)");
  }
  return 0;
}

}  // namespace

std::function<int()> add_devices(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "devices",
      "Example:\n  regroup devices\n\nLists every Vulkan device with what matters, and why one cannot be used.");
  const auto options = std::make_shared<DevicesOptions>();
  command->add_option("--require-features", options->device.require,
                      "minimum: show what is left under the guaranteed floor");
  command->add_option("--disable", options->device.disable, "features to mask");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  return [options] { return devices(*options); };
}

}  // namespace regroup::cli
