#include "cli/device_json.h"

namespace regroup::cli {

Json device_json(const DeviceInfo& info) {
  return {{"index", info.index},
          {"name", info.name},
          {"vendor", info.vendor},
          {"type", device_type_name(info.type)},
          {"driver", info.driver},
          {"driver_version", fmt::format("{:#x}", info.driver_version)},
          {"api_version", fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(info.api_version),
                                      VK_API_VERSION_MINOR(info.api_version), VK_API_VERSION_PATCH(info.api_version))},
          {"uuid", info.uuid_text()},
          {"driver_uuid", uuid_text(info.driver_uuid)}};
}

Json feature_json(const DeviceFeatures& f) {
  return {{"fp16", f.fp16},
          {"storage16", f.storage_16bit},
          {"int8", f.int8},
          {"dot", f.integer_dot},
          {"subgroup_arithmetic", f.subgroup_arithmetic},
          {"subgroup_shuffle", f.subgroup_shuffle},
          {"subgroup_broadcast", f.subgroup_broadcast},
          {"subgroup_size", f.subgroup_size},
          {"subgroup_size_control", f.subgroup_size_control},
          {"max_workgroup_invocations", f.max_workgroup_invocations},
          {"max_shared_memory_bytes", f.max_shared_memory_bytes},
          {"max_storage_buffers", f.max_storage_buffers},
          {"max_storage_buffer_range", f.max_storage_buffer_range},
          {"max_texel_elements", f.max_texel_elements},
          {"max_allocation_bytes", f.max_allocation_bytes}};
}

}  // namespace regroup::cli
