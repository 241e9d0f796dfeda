#include "runtime/ops/kernel_profile.h"

#include <array>

#include "runtime/core/error.h"

namespace regroup {
namespace {

using S = ProductShape;
using B = Broadcast;
using R = Reduction;

// Best first; the first one that a device's class and features allow is taken.
constexpr std::array<KernelProfile, 6> kProfiles = {{
    {"cpu-texel16", S::kRowPerLane, B::kShuffle, R::kShared, true, 16, 64},
    {"cpu-texel8", S::kRowPerLane, B::kShuffle, R::kShared, true, 8, 32},
    {"cpu-ssbo4", S::kRowPerLane, B::kBroadcast, R::kShared, false, 4, 16},
    {"cpu-plain", S::kRowPerLane, B::kLoad, R::kShared, false, 4, 16},
    {"gpu-subgroup", S::kColumnsPerLane, B::kLoad, R::kSubgroup, false, 64, 1},
    {"gpu-shared", S::kColumnsPerLane, B::kLoad, R::kShared, false, 64, 1},
}};

bool has_what_it_needs(const DeviceFeatures& features, const KernelProfile& profile) {
  // The guaranteed 65536 texels hold 1 MiB: too little for any weight matrix.
  constexpr std::uint64_t kUsefulTexels = 1u << 24;
  if (profile.texel_loads && (!features.texel_buffers || features.max_texel_elements < kUsefulTexels)) return false;
  if (profile.shape == S::kRowPerLane && profile.broadcast == B::kShuffle) {
    return features.subgroup_shuffle && features.subgroup_size == profile.lanes;
  }
  if (profile.shape == S::kRowPerLane && profile.broadcast == B::kBroadcast) {
    return features.subgroup_broadcast && features.subgroup_shuffle && features.subgroup_size == profile.lanes;
  }
  if (profile.shape == S::kColumnsPerLane && profile.reduction == R::kSubgroup) {
    return features.subgroup_arithmetic && features.subgroup_size <= 64;
  }
  return true;
}

constexpr std::uint32_t kDecodeLanes = KernelProfile{}.decode_lanes;

}  // namespace

std::string KernelProfile::variant_name() const {
  return decode_lanes == kDecodeLanes ? std::string(name) : fmt::format("{}/{}", name, decode_lanes);
}

std::vector<KernelProfile> kernel_profiles(const Device& device) {
  const bool cpu = device.info().type == DeviceType::kCpu;
  std::vector<KernelProfile> usable;
  for (const bool own_class : {true, false}) {
    for (const KernelProfile& profile : kProfiles) {
      const bool of_class = (profile.shape == S::kRowPerLane) == cpu;
      if (of_class == own_class && has_what_it_needs(device.features(), profile)) usable.push_back(profile);
    }
  }
  return usable;
}

KernelProfile kernel_profile(const Device& device) {
  return kernel_profiles(device).front();
}

KernelProfile kernel_profile_named(const Device& device, std::string_view name) {
  for (KernelProfile profile : kProfiles) {
    bool found = profile.name == name;
    for (const std::uint32_t lanes : {32u, 64u, 128u}) {
      if (found || profile.shape != S::kColumnsPerLane || name != fmt::format("{}/{}", profile.name, lanes)) continue;
      found = true;
      profile.decode_lanes = lanes;
    }
    if (!found) continue;
    if (!has_what_it_needs(device.features(), profile)) {
      throw_error(ErrorCode::kUsage, "kernel profile {} needs features that {} lacks or that are masked", name,
                  device.info().name);
    }
    return profile;
  }
  throw_error(ErrorCode::kUsage, "unknown kernel profile '{}'", escaped(name));
}

}  // namespace regroup
