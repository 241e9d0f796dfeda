// What a device offers beyond Vulkan 1.1's minimum, and the masks that take it away again so that every fall-back can
// be run anywhere.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace regroup {

// The features and limits that kernels and the memory layer look at. Defaults are the specification's minimum.
struct DeviceFeatures {
  // No kernel uses these yet. They are looked up, shown and may be masked, but Device::open does not enable them.
  bool fp16 = false;                   // shaderFloat16
  bool storage_16bit = false;          // storageBuffer16BitAccess
  bool int8 = false;                   // shaderInt8 and storageBuffer8BitAccess
  bool integer_dot = false;            // shaderIntegerDotProduct
  bool subgroup_size_control = false;  // a pipeline may ask for its subgroup size
  // These need no enabling.
  bool subgroup_arithmetic = false;  // subgroup basic + arithmetic in compute
  bool subgroup_shuffle = false;     // subgroup shuffle in compute
  bool subgroup_broadcast = false;   // subgroup ballot (broadcast) in compute
  bool texel_buffers = true;         // may be masked; whether they pay is the kernels' choice
  std::uint32_t subgroup_size = 1;   // 1 when no subgroup operation may be used
  std::uint32_t max_workgroup_invocations = 128;
  std::uint32_t max_shared_memory_bytes = 16384;
  std::uint32_t max_storage_buffers = 4;  // per stage
  std::uint64_t max_storage_buffer_range = 1u << 27;
  std::uint64_t max_texel_elements = 65536;
  std::uint64_t max_allocation_bytes = 1u << 30;
};

// Names accepted by --disable, in the order of the help text.
const std::vector<std::string_view>& feature_switches();

struct FeatureMask {
  bool minimum = false;               // --require-features minimum: act as if the device had the specification's floor
  std::vector<std::string> disabled;  // --disable subgroup,texel,...

  // Throws Error kUsage on an unknown name. `list` is comma-separated.
  static FeatureMask parse(std::string_view require, std::string_view disable);
};

// `offered` without what the mask takes away.
DeviceFeatures apply_mask(DeviceFeatures offered, const FeatureMask& mask);

}  // namespace regroup
