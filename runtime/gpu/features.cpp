#include "runtime/gpu/features.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace regroup {
namespace {

void remove_subgroups(DeviceFeatures& features) {
  features.subgroup_arithmetic = features.subgroup_shuffle = features.subgroup_broadcast = false;
  features.subgroup_size_control = false;
  features.subgroup_size = 1;
}

void remove(DeviceFeatures& features, std::string_view name) {
  if (name == "fp16") features.fp16 = false;
  if (name == "storage16") features.storage_16bit = false;
  if (name == "int8") features.int8 = false;
  if (name == "dot") features.integer_dot = false;
  if (name == "subgroup") remove_subgroups(features);
  if (name == "arithmetic") features.subgroup_arithmetic = false;
  if (name == "shuffle") features.subgroup_shuffle = false;
  if (name == "texel") features.texel_buffers = false;
}

}  // namespace

const std::vector<std::string_view>& feature_switches() {
  static const std::vector<std::string_view> names = {"fp16",     "storage16",  "int8",    "dot",
                                                      "subgroup", "arithmetic", "shuffle", "texel"};
  return names;
}

FeatureMask FeatureMask::parse(std::string_view require, std::string_view disable) {
  FeatureMask mask;
  if (!require.empty() && require != "minimum" && require != "all") {
    throw_error(ErrorCode::kUsage, "--require-features {}: unknown set; use minimum or all", escaped(require));
  }
  mask.minimum = require == "minimum";
  while (!disable.empty()) {
    const std::size_t comma = disable.find(',');
    const std::string_view name = disable.substr(0, comma);
    const auto& known = feature_switches();
    if (!name.empty() && std::find(known.begin(), known.end(), name) == known.end()) {
      throw_error(ErrorCode::kUsage, "--disable {}: unknown feature; known are {}", escaped(name),
                  fmt::join(known, ", "));
    }
    if (!name.empty()) mask.disabled.emplace_back(name);
    disable = comma == std::string_view::npos ? std::string_view{} : disable.substr(comma + 1);
  }
  return mask;
}

DeviceFeatures apply_mask(DeviceFeatures offered, const FeatureMask& mask) {
  if (mask.minimum) {
    DeviceFeatures floor;
    floor.max_allocation_bytes = std::min<std::uint64_t>(offered.max_allocation_bytes, floor.max_allocation_bytes);
    offered = floor;
  }
  for (const std::string& name : mask.disabled) remove(offered, name);
  return offered;
}

}  // namespace regroup
