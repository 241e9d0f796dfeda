// Devices of the C interface: listing, and opening one of our own or the caller's.
#include "capi/boundary.h"
#include "capi/handles.h"

namespace regroup::capi {
namespace {

// As the command line's --max-submit-ms.
constexpr double kDefaultSubmitMs = 40;

regroup_device_info c_info(const DeviceInfo& device) {
  regroup_device_info info{};
  info.index = device.index;
  copy_text(info.name, escaped(device.name, sizeof info.name));
  copy_text(info.driver, escaped(device.driver, sizeof info.driver));
  copy_text(info.uuid, device.uuid_text());
  info.memory_bytes = device.memory_bytes;
  info.is_cpu = device.type == DeviceType::kCpu ? 1 : 0;
  info.is_usable = device.refusals.empty() ? 1 : 0;
  copy_text(info.refusal, escaped(fmt::format("{}", fmt::join(device.refusals, "; ")), sizeof info.refusal));
  return info;
}

std::unique_ptr<Instance> instance_for(VkInstance borrowed) {
  return borrowed == nullptr ? std::make_unique<Instance>() : std::make_unique<Instance>(borrowed);
}

// What the caller enabled; everything that needs no enabling is taken as the device offers it.
DeviceFeatures enabled_features(VkPhysicalDevice physical, std::uint32_t enabled) {
  DeviceFeatures features = describe_device(physical).features;
  const auto keep = [&](bool& feature, std::uint32_t bit) { feature = feature && (enabled & bit) != 0; };
  keep(features.fp16, REGROUP_ENABLED_FP16);
  keep(features.storage_16bit, REGROUP_ENABLED_STORAGE_16BIT);
  keep(features.int8, REGROUP_ENABLED_INT8);
  keep(features.integer_dot, REGROUP_ENABLED_INTEGER_DOT);
  keep(features.subgroup_size_control, REGROUP_ENABLED_SUBGROUP_SIZE_CONTROL);
  return features;
}

std::unique_ptr<Device> open_device(const Instance& instance, const regroup_vulkan& vulkan,
                                    const DeviceOptions& options) {
  if (vulkan.device == nullptr) return Device::open(instance, options);
  require(vulkan.instance, "regroup_vulkan.instance");
  require(vulkan.physical_device, "regroup_vulkan.physical_device");
  require(vulkan.queue, "regroup_vulkan.queue");
  return Device::borrow({.physical = vulkan.physical_device,
                         .device = vulkan.device,
                         .queue = vulkan.queue,
                         .queue_family = vulkan.queue_family,
                         .enabled = enabled_features(vulkan.physical_device, vulkan.enabled)},
                        options);
}

}  // namespace
}  // namespace regroup::capi

using namespace regroup;
using namespace regroup::capi;

uint32_t regroup_api_version(void) {
  return REGROUP_API_VERSION;
}

const char* regroup_version(void) {
  return REGROUP_VERSION;
}

regroup_status regroup_list_devices(VkInstance_T* instance, regroup_device_info* devices, size_t capacity,
                                    size_t* count, regroup_error* error) {
  return guarded(error, [&] {
    std::vector<regroup_device_info> infos;
    for (const DeviceInfo& device : instance_for(instance)->devices()) infos.push_back(c_info(device));
    write_array<regroup_device_info>(infos, devices, capacity, count);
  });
}

regroup_status regroup_device_open(const regroup_device_options* options, regroup_device** device,
                                   regroup_error* error) {
  return guarded(error, [&] {
    require(device, "device");
    *device = nullptr;
    const auto chosen = read_options(options, "regroup_device_options");
    const auto vulkan = read_options(chosen.vulkan, "regroup_vulkan");
    DeviceOptions wanted;
    wanted.which = text_of(chosen.which);
    wanted.mask = FeatureMask::parse(text_of(chosen.require_features), text_of(chosen.disable));
    wanted.cache_directory = text_of(chosen.cache_folder);
    wanted.max_submit_ms = chosen.max_submit_ms > 0 ? chosen.max_submit_ms : kDefaultSubmitMs;
    auto opened = std::make_unique<regroup_device>();
    opened->instance = instance_for(vulkan.instance);
    opened->device = open_device(*opened->instance, vulkan, wanted);
    opened->cache_folder = wanted.cache_directory;
    opened->on_remark = chosen.on_remark;
    opened->user = chosen.user;
    *device = opened.release();
  });
}

regroup_status regroup_device_describe(const regroup_device* device, regroup_device_info* info, regroup_error* error) {
  return guarded(error, [&] {
    require(device, "device");
    require(info, "info");
    *info = c_info(device->device->info());
  });
}

void regroup_device_close(regroup_device* device) {
  delete device;
}
