// Reads one physical device's properties, features and limits, and says why it could not be used.
#include <algorithm>
#include <cstring>
#include <set>

#include "runtime/core/error.h"
#include "runtime/gpu/instance.h"

namespace regroup {
namespace {

std::string vendor_name(std::uint32_t id) {
  switch (id) {
    case 0x1002:
      return "AMD";
    case 0x10de:
      return "NVIDIA";
    case 0x8086:
      return "Intel";
    case 0x13b5:
      return "ARM";
    case 0x5143:
      return "Qualcomm";
    case 0x106b:
      return "Apple";
    case 0x1010:
      return "Imagination";
    case 0x10005:
      return "Mesa";
    case 0x1ae0:
      return "Google";
    default:
      return fmt::format("0x{:04x}", id);
  }
}

DeviceType device_type(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU:
      return DeviceType::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU:
      return DeviceType::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU:
      return DeviceType::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU:
      return DeviceType::kCpu;
    default:
      return DeviceType::kOther;
  }
}

std::set<std::string> device_extensions(VkPhysicalDevice handle) {
  std::uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(handle, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> list(count);
  vkEnumerateDeviceExtensionProperties(handle, nullptr, &count, list.data());
  std::set<std::string> names;
  for (const VkExtensionProperties& extension : list) names.insert(extension.extensionName);
  return names;
}

void read_queue(DeviceInfo& info) {
  const std::vector<VkQueueFamilyProperties> families = queue_families(info.handle);
  const auto has_compute = [](const VkQueueFamilyProperties& f) { return (f.queueFlags & VK_QUEUE_COMPUTE_BIT) != 0; };
  const auto found = std::find_if(families.begin(), families.end(), has_compute);
  if (found == families.end()) {
    info.refusals.emplace_back("no queue family with compute");
    return;
  }
  info.compute_family = static_cast<std::uint32_t>(found - families.begin());
}

void read_features(DeviceInfo& info, const VkPhysicalDeviceLimits& limits, const std::set<std::string>& extensions) {
  const bool v12 = info.api_version >= VK_API_VERSION_1_2;
  const bool v13 = info.api_version >= VK_API_VERSION_1_3;
  const auto offered = [&](bool core, const char* extension) { return core || extensions.contains(extension); };

  VkPhysicalDevice16BitStorageFeatures storage16{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES};
  VkPhysicalDevice8BitStorageFeatures storage8{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES};
  VkPhysicalDeviceShaderFloat16Int8Features narrow{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES};
  VkPhysicalDeviceSubgroupSizeControlFeatures size_control{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES};
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES};
  VkPhysicalDeviceFeatures2 features{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2};
  features.pNext = &storage16;
  const auto chain = [&](bool present, auto& next) {
    if (!present) return;
    next.pNext = features.pNext;
    features.pNext = &next;
  };
  chain(offered(v12, VK_KHR_8BIT_STORAGE_EXTENSION_NAME), storage8);
  chain(offered(v12, VK_KHR_SHADER_FLOAT16_INT8_EXTENSION_NAME), narrow);
  chain(offered(v13, VK_EXT_SUBGROUP_SIZE_CONTROL_EXTENSION_NAME), size_control);
  chain(offered(v13, VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME), dot);
  vkGetPhysicalDeviceFeatures2(info.handle, &features);

  VkPhysicalDeviceSubgroupProperties subgroup{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES};
  VkPhysicalDeviceMaintenance3Properties maintenance{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES};
  VkPhysicalDeviceSubgroupSizeControlProperties sizes{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  properties.pNext = &subgroup;
  subgroup.pNext = &maintenance;
  const bool has_size_control = size_control.subgroupSizeControl == VK_TRUE;
  if (has_size_control) maintenance.pNext = &sizes;
  vkGetPhysicalDeviceProperties2(info.handle, &properties);

  DeviceFeatures& f = info.features;
  f.fp16 = narrow.shaderFloat16 == VK_TRUE;
  f.storage_16bit = storage16.storageBuffer16BitAccess == VK_TRUE;
  f.int8 = narrow.shaderInt8 == VK_TRUE && storage8.storageBuffer8BitAccess == VK_TRUE;
  f.integer_dot = dot.shaderIntegerDotProduct == VK_TRUE;
  const bool in_compute = (subgroup.supportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0 && subgroup.subgroupSize > 1;
  const auto supports = [&](VkSubgroupFeatureFlags bits) {
    return in_compute && (subgroup.supportedOperations & bits) == bits;
  };
  f.subgroup_arithmetic = supports(VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT);
  f.subgroup_shuffle = supports(VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_SHUFFLE_BIT);
  f.subgroup_broadcast = supports(VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_BALLOT_BIT);
  const bool any = f.subgroup_arithmetic || f.subgroup_shuffle || f.subgroup_broadcast;
  f.subgroup_size = any ? subgroup.subgroupSize : 1;
  f.subgroup_size_control =
      any && has_size_control && (sizes.requiredSubgroupSizeStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  f.max_workgroup_invocations = limits.maxComputeWorkGroupInvocations;
  f.max_shared_memory_bytes = limits.maxComputeSharedMemorySize;
  f.max_storage_buffers = limits.maxPerStageDescriptorStorageBuffers;
  f.max_storage_buffer_range = limits.maxStorageBufferRange;
  f.max_texel_elements = limits.maxTexelBufferElements;
  f.max_allocation_bytes = maintenance.maxMemoryAllocationSize;
}

}  // namespace

std::string_view device_type_name(DeviceType type) {
  switch (type) {
    case DeviceType::kDiscrete:
      return "discrete GPU";
    case DeviceType::kIntegrated:
      return "integrated GPU";
    case DeviceType::kVirtual:
      return "virtual GPU";
    case DeviceType::kCpu:
      return "CPU driver";
    case DeviceType::kOther:
      return "other";
  }
  return "other";
}

std::string uuid_text(const Uuid& uuid) {
  std::string text;
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid[i]);
  }
  return text;
}

std::vector<VkQueueFamilyProperties> queue_families(VkPhysicalDevice handle) {
  std::uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(handle, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(handle, &count, families.data());
  return families;
}

DeviceInfo describe_device(VkPhysicalDevice handle) {
  DeviceInfo info;
  info.handle = handle;
  VkPhysicalDeviceProperties basic{};
  vkGetPhysicalDeviceProperties(handle, &basic);
  info.name = escaped(basic.deviceName);
  info.vendor_id = basic.vendorID;
  info.vendor = vendor_name(basic.vendorID);
  info.type = device_type(basic.deviceType);
  info.api_version = basic.apiVersion;
  info.driver_version = basic.driverVersion;
  std::copy_n(basic.pipelineCacheUUID, 16, info.pipeline_cache_uuid.begin());
  info.driver = fmt::format("version {:#x}", basic.driverVersion);
  if (basic.apiVersion < VK_API_VERSION_1_1) {
    info.refusals.push_back(fmt::format("offers Vulkan {}.{}, 1.1 is needed", VK_API_VERSION_MAJOR(basic.apiVersion),
                                        VK_API_VERSION_MINOR(basic.apiVersion)));
    return info;
  }
  const std::set<std::string> extensions = device_extensions(handle);
  VkPhysicalDeviceIDProperties ids{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES};
  VkPhysicalDeviceDriverProperties driver{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES};
  VkPhysicalDeviceProperties2 properties{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  properties.pNext = &ids;
  if (info.api_version >= VK_API_VERSION_1_2 || extensions.contains(VK_KHR_DRIVER_PROPERTIES_EXTENSION_NAME)) {
    ids.pNext = &driver;
  }
  vkGetPhysicalDeviceProperties2(handle, &properties);
  std::copy_n(ids.deviceUUID, 16, info.device_uuid.begin());
  std::copy_n(ids.driverUUID, 16, info.driver_uuid.begin());
  if (driver.driverName[0] != '\0') {
    info.driver = escaped(fmt::format("{} {}", driver.driverName, driver.driverInfo));
    while (!info.driver.empty() && info.driver.back() == ' ') info.driver.pop_back();
  }

  VkPhysicalDeviceMemoryProperties memory{};
  vkGetPhysicalDeviceMemoryProperties(handle, &memory);
  for (std::uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
    if ((memory.memoryHeaps[i].flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0) {
      info.memory_bytes = std::max<std::uint64_t>(info.memory_bytes, memory.memoryHeaps[i].size);
    }
  }
  info.timestamp_period_ns = basic.limits.timestampPeriod;
  read_queue(info);
  read_features(info, basic.limits, extensions);
  return info;
}

}  // namespace regroup
