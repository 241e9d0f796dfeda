// Which family of kernels a device runs, and the weight layout that goes with it: the static table by device class.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu/device.h"

namespace regroup {

// How matrix kernels spread a product over invocations.
enum class ProductShape {
  kRowPerLane,  // CPU drivers: an invocation owns whole rows, no reduction, no barrier; weights in panels of many rows
  kColumnsPerLane,  // GPUs: invocations share a row and reduce; weights row by row (panel_rows 1)
};

// How a row-per-lane kernel hands an activation to all lanes.
enum class Broadcast {
  kShuffle,    // subgroupShuffle with a constant lane (lavapipe)
  kBroadcast,  // subgroupBroadcast with a constant lane (SwiftShader)
  kLoad,       // every lane loads it: no subgroup operation needed
};

// How a columns-per-lane kernel adds up.
enum class Reduction { kSubgroup, kShared };

struct KernelProfile {
  std::string_view name;  // as `regroup devices` prints it
  ProductShape shape;
  Broadcast broadcast;       // row-per-lane only
  Reduction reduction;       // columns-per-lane only
  bool texel_loads;          // read weights, activations and cache through texel buffers
  std::uint32_t lanes;       // invocations per workgroup of row-per-lane kernels (the subgroup size where one is used)
  std::uint32_t panel_rows;  // layout of every weight matrix
  // Columns-per-lane only: at most so many invocations share the rows of a workgroup in decoding products; 32, 64 or
  // 128.
  std::uint32_t decode_lanes = 64;

  // The name, with decode_lanes where they are not the table's: "gpu-subgroup/128".
  std::string variant_name() const;
};

// The profile for a device, from its type and (masked) features. Deterministic.
KernelProfile kernel_profile(const Device& device);

// Every profile that the device can run: first those for its class, best first, then the others, which are right on any
// device and merely slow.
std::vector<KernelProfile> kernel_profiles(const Device& device);

// The profile of that name ("cpu-texel16", "cpu-texel8", "cpu-ssbo4", "cpu-plain", "gpu-subgroup", "gpu-shared", the
// last two also with "/32", "/64" or "/128" decode_lanes), for those who force it; throws kUsage when the device lacks
// what it needs.
KernelProfile kernel_profile_named(const Device& device, std::string_view name);

}  // namespace regroup
