#include "runtime/gpu/vulkan.h"

#include "runtime/core/error.h"

namespace regroup {

std::string result_name(VkResult result) {
  switch (result) {
#define REGROUP_NAME(name) \
  case VK_##name:          \
    return #name;
    REGROUP_NAME(SUCCESS)
    REGROUP_NAME(NOT_READY)
    REGROUP_NAME(TIMEOUT)
    REGROUP_NAME(INCOMPLETE)
    REGROUP_NAME(ERROR_OUT_OF_HOST_MEMORY)
    REGROUP_NAME(ERROR_OUT_OF_DEVICE_MEMORY)
    REGROUP_NAME(ERROR_INITIALIZATION_FAILED)
    REGROUP_NAME(ERROR_DEVICE_LOST)
    REGROUP_NAME(ERROR_MEMORY_MAP_FAILED)
    REGROUP_NAME(ERROR_LAYER_NOT_PRESENT)
    REGROUP_NAME(ERROR_EXTENSION_NOT_PRESENT)
    REGROUP_NAME(ERROR_FEATURE_NOT_PRESENT)
    REGROUP_NAME(ERROR_INCOMPATIBLE_DRIVER)
    REGROUP_NAME(ERROR_TOO_MANY_OBJECTS)
    REGROUP_NAME(ERROR_FRAGMENTED_POOL)
    REGROUP_NAME(ERROR_OUT_OF_POOL_MEMORY)
    REGROUP_NAME(ERROR_UNKNOWN)
#undef REGROUP_NAME
    default:
      return fmt::format("VkResult {}", static_cast<int>(result));
  }
}

void check_result(VkResult result, std::string_view what) {
  if (result >= 0) return;
  const std::string name = result_name(result);
  switch (result) {
    case VK_ERROR_DEVICE_LOST:
      throw_error(ErrorCode::kDeviceLost,
                  "{}: the driver lost the device ({}); try --max-submit-ms with a smaller number, or another --device",
                  what, name);
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
      throw_error(ErrorCode::kOutOfMemory,
                  "{}: out of memory ({}); use a smaller context (-c), fewer groups (--groups) or a smaller model",
                  what, name);
    case VK_ERROR_INCOMPATIBLE_DRIVER:
    case VK_ERROR_INITIALIZATION_FAILED:
    case VK_ERROR_LAYER_NOT_PRESENT:
    case VK_ERROR_EXTENSION_NOT_PRESENT:
    case VK_ERROR_FEATURE_NOT_PRESENT:
      throw_error(ErrorCode::kNoDevice, "{}: the Vulkan driver refused ({}); see `regroup devices`", what, name);
    default:
      throw_error(ErrorCode::kFailed, "{}: Vulkan call failed ({})", what, name);
  }
}

}  // namespace regroup
