#include "runtime/gpu/instance.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <cstring>

#include "runtime/core/error.h"

namespace regroup {
namespace {

VKAPI_ATTR VkBool32 VKAPI_CALL forward_message(VkDebugUtilsMessageSeverityFlagBitsEXT, VkDebugUtilsMessageTypeFlagsEXT,
                                               const VkDebugUtilsMessengerCallbackDataEXT* data, void* user) {
  (*static_cast<std::function<void(std::string_view)>*>(user))(data->pMessage);
  return VK_FALSE;
}

bool layer_present(const char* name) {
  std::uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(),
                     [&](const VkLayerProperties& layer) { return std::strcmp(layer.layerName, name) == 0; });
}

bool instance_extension_present(std::string_view name) {
  std::uint32_t count = 0;
  vkEnumerateInstanceExtensionProperties(nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> extensions(count);
  vkEnumerateInstanceExtensionProperties(nullptr, &count, extensions.data());
  return std::any_of(extensions.begin(), extensions.end(),
                     [&](const VkExtensionProperties& extension) { return name == extension.extensionName; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 6 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

int rank(DeviceType type) {
  switch (type) {
    case DeviceType::kDiscrete:
      return 0;
    case DeviceType::kIntegrated:
      return 1;
    case DeviceType::kVirtual:
      return 2;
    case DeviceType::kOther:
      return 3;
    case DeviceType::kCpu:
      return 4;
  }
  return 5;
}

}  // namespace

Instance::Instance(const InstanceOptions& options) : faults_(options.faults), on_message_(options.on_message) {
  std::uint32_t loader_version = VK_API_VERSION_1_0;
  vkEnumerateInstanceVersion(&loader_version);
  if (loader_version < VK_API_VERSION_1_1) {
    throw_error(ErrorCode::kNoDevice,
                "cannot start Vulkan: the loader offers only version 1.0; install a Vulkan 1.1 loader");
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "regroup";
  application.apiVersion = std::min<std::uint32_t>(loader_version, VK_API_VERSION_1_3);

  VkInstanceCreateInfo info{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  info.pApplicationInfo = &application;

  const char* layer = "VK_LAYER_KHRONOS_validation";
  std::vector<const char*> extensions = options.extensions;
  const VkValidationFeatureEnableEXT enabled[] = {VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT};
  VkValidationFeaturesEXT validation{VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT};
  VkDebugUtilsMessengerCreateInfoEXT messenger{VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  if (options.validation) {
    if (!layer_present(layer)) {
      throw_error(ErrorCode::kNoDevice,
                  "validation was asked for, but {} is not installed (Debian: vulkan-validationlayers)", layer);
    }
    validation.enabledValidationFeatureCount = 1;
    validation.pEnabledValidationFeatures = enabled;
    info.enabledLayerCount = 1;
    info.ppEnabledLayerNames = &layer;
    extensions.push_back(VK_EXT_DEBUG_UTILS_EXTENSION_NAME);
    extensions.push_back(VK_EXT_VALIDATION_FEATURES_EXTENSION_NAME);
    info.pNext = &validation;
  }
  // Without this the loader hides drivers that offer a subset of Vulkan, MoltenVK among them.
  if (instance_extension_present(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME)) {
    extensions.push_back(VK_KHR_PORTABILITY_ENUMERATION_EXTENSION_NAME);
    info.flags |= VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR;
  }
  info.enabledExtensionCount = static_cast<std::uint32_t>(extensions.size());
  info.ppEnabledExtensionNames = extensions.data();
  const VkResult result = REGROUP_VK(options.faults, CreateInstance, &info, nullptr, &instance_);
  if (result == VK_ERROR_INCOMPATIBLE_DRIVER) {
    throw_error(
        ErrorCode::kNoDevice,
        "no Vulkan driver found; install one (Debian's CPU driver: mesa-vulkan-drivers) or set VK_ICD_FILENAMES");
  }
  check_result(result, "creating the Vulkan instance");
  if (options.validation && on_message_) {
    messenger.messageSeverity =
        VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
    messenger.messageType =
        VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT | VK_DEBUG_UTILS_MESSAGE_TYPE_PERFORMANCE_BIT_EXT;
    messenger.pfnUserCallback = forward_message;
    messenger.pUserData = &on_message_;
    const auto create = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(instance_, "vkCreateDebugUtilsMessengerEXT"));
    if (create != nullptr) create(instance_, &messenger, nullptr, &messenger_);
  }
}

Instance::Instance(VkInstance borrowed) : instance_(borrowed), owned_(false) {}

Instance::~Instance() {
  if (messenger_ != VK_NULL_HANDLE) {
    const auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(instance_, "vkDestroyDebugUtilsMessengerEXT"));
    destroy(instance_, messenger_, nullptr);
  }
  if (owned_ && instance_ != VK_NULL_HANDLE) vkDestroyInstance(instance_, nullptr);
}

std::vector<DeviceInfo> Instance::devices() const {
  std::uint32_t count = 0;
  check_result(REGROUP_VK(faults_, EnumeratePhysicalDevices, instance_, &count, nullptr), "listing Vulkan devices");
  std::vector<VkPhysicalDevice> handles(count);
  check_result(REGROUP_VK(faults_, EnumeratePhysicalDevices, instance_, &count, handles.data()),
               "listing Vulkan devices");
  std::vector<DeviceInfo> devices;
  for (std::uint32_t i = 0; i < count; ++i) {
    devices.push_back(describe_device(handles[i]));
    devices.back().index = i;
  }
  return devices;
}

DeviceInfo Instance::choose(std::string_view which) const {
  std::string wanted(which);
  if (wanted.empty()) {
    if (const char* variable = std::getenv("REGROUP_DEVICE")) wanted = variable;
  }
  const std::vector<DeviceInfo> all = devices();
  std::vector<DeviceInfo> matching;
  for (const DeviceInfo& device : all) {
    const bool match = wanted.empty() ||
                       (is_number(wanted) && device.index == static_cast<unsigned>(std::stoi(wanted))) ||
                       device.uuid_text() == lower(wanted) ||
                       (!is_number(wanted) && lower(device.name).find(lower(wanted)) != std::string::npos);
    if (match) matching.push_back(device);
  }
  std::vector<DeviceInfo> usable;
  std::string reasons;
  for (const DeviceInfo& device : matching) {
    if (device.refusals.empty()) usable.push_back(device);
    for (const std::string& reason : device.refusals) reasons += fmt::format("; {} refused: {}", device.name, reason);
  }
  if (usable.empty()) {
    if (matching.empty() && !wanted.empty()) {
      throw_error(ErrorCode::kNoDevice, "no Vulkan device matches '{}' ({} present); see `regroup devices`",
                  escaped(wanted), all.size());
    }
    throw_error(ErrorCode::kNoDevice, "no usable Vulkan device among {}{}; see `regroup devices`", all.size(), reasons);
  }
  // Stable: among equals the loader's order, which users control.
  std::stable_sort(usable.begin(), usable.end(),
                   [](const DeviceInfo& a, const DeviceInfo& b) { return rank(a.type) < rank(b.type); });
  return usable.front();
}

}  // namespace regroup
