// How the sampling kernels of one choice share out a row of logits and the scratch buffer.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/ops/sampling.h"

namespace regroup {

struct SamplingPlan {
  std::uint32_t lanes = 0;           // invocations of a workgroup that reads a chunk
  std::uint32_t chunks = 0;          // workgroups
  std::uint32_t chunk_texels = 0;    // groups of four logits per chunk
  std::uint32_t choosing_lanes = 0;  // invocations of the one workgroup that filters and draws
  bool texel_loads = false;

  SamplingPlan(const KernelProfile& profile, std::uint32_t vocabulary);
  const Kernel& kernel(Device& device, std::string_view plain_name, std::span<const std::uint32_t> constants) const;
};

// The part of the scratch buffer that holds the chunks' findings, small enough for any texel buffer.
BufferView largest_view(const BufferView& scratch);

}  // namespace regroup
