// A Vulkan instance and what it sees: every physical device with its properties and all reasons why it could not be
// used.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu/faults.h"
#include "runtime/gpu/features.h"
#include "runtime/gpu/vulkan.h"

namespace regroup {

enum class DeviceType { kDiscrete, kIntegrated, kVirtual, kCpu, kOther };
std::string_view device_type_name(DeviceType type);

using Uuid = std::array<std::uint8_t, 16>;
std::string uuid_text(const Uuid& uuid);

// One physical device as `regroup devices` lists it.
struct DeviceInfo {
  VkPhysicalDevice handle = VK_NULL_HANDLE;
  std::uint32_t index = 0;  // position in the loader's order
  std::string name;
  std::uint32_t vendor_id = 0;
  std::string vendor;  // "NVIDIA", "AMD", ... or the number in hex
  DeviceType type = DeviceType::kOther;
  std::string driver;  // driver name and version text
  std::uint32_t api_version = 0;
  std::uint32_t driver_version = 0;
  Uuid device_uuid{};
  Uuid driver_uuid{};
  Uuid pipeline_cache_uuid{};
  std::uint64_t memory_bytes = 0;  // largest device-local heap (a CPU driver: what the driver reports)
  DeviceFeatures features;         // offered, before any mask
  std::uint32_t compute_family = 0;
  float timestamp_period_ns = 0;      // of one tick; which queues have timestamps: Device::timestamp_bits
  std::vector<std::string> refusals;  // empty when usable

  std::string uuid_text() const { return regroup::uuid_text(device_uuid); }
};

struct InstanceOptions {
  bool validation = false;  // core and synchronisation validation; kNoDevice when the layer is not installed
  std::function<void(std::string_view)> on_message;  // receives every warning and error of the layers
  std::vector<const char*> extensions;               // enabled too, for a caller who does more than compute
  FaultPlan* faults = nullptr;                       // for tests; outlives the instance
};

class Instance {
 public:
  explicit Instance(const InstanceOptions& options = {});
  // Borrows the caller's instance (created for Vulkan 1.1 or later); it must outlive this object.
  explicit Instance(VkInstance borrowed);
  ~Instance();
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;

  VkInstance handle() const { return instance_; }
  std::vector<DeviceInfo> devices() const;

  // `which`: index, UUID, or part of the name (any case). Empty: $REGROUP_DEVICE, then the best by type (discrete,
  // integrated, CPU). Throws kNoDevice with the reasons of all refused devices when none fits.
  DeviceInfo choose(std::string_view which) const;

 private:
  VkInstance instance_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  bool owned_ = true;
  FaultPlan* faults_ = nullptr;
  std::function<void(std::string_view)> on_message_;
};

std::vector<VkQueueFamilyProperties> queue_families(VkPhysicalDevice handle);

// Fills everything of DeviceInfo but `index` for one physical device.
DeviceInfo describe_device(VkPhysicalDevice handle);

}  // namespace regroup
