// What a run will take, before anything is loaded: refuses what cannot fit and says what would.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/file/model_file.h"
#include "runtime/gpu/device.h"
#include "runtime/model/model.h"
#include "runtime/ops/kv_cache_layout.h"

namespace regroup {

struct MemoryPlan {
  std::uint64_t weights_bytes = 0;
  std::uint64_t kv_bytes = 0;  // exactly what the KV cache will allocate
  std::uint64_t kv_bytes_per_token = 0;
  std::uint64_t scratch_bytes = 0;  // estimate of activations, rotary tables and state
  std::uint64_t free_bytes = 0;     // what the device (a CPU driver: the system) has now
  std::uint32_t context = 0;

  std::uint64_t total_bytes() const { return weights_bytes + kv_bytes + scratch_bytes; }
  bool fits() const { return total_bytes() <= free_bytes; }
  // "weights 98.2 MiB + KV cache 6.0 MiB (...) + scratch ...; free ..."
  std::string describe() const;
};

MemoryPlan plan_memory(const Device& device, const KernelProfile& profile, const ModelFile& file,
                       const ModelOutline& outline, const std::vector<std::uint32_t>& groups, CacheType type,
                       std::uint32_t context, std::uint32_t prefill_chunk);

// Throws kOutOfMemory naming the longest context, or the number of groups, that would fit.
void require_fit(const MemoryPlan& plan, const ModelConfig& config, CacheType type);

// What an allocation that failed although the plan said that it would fit tells: `failure` again, with what the device
// gave before and what fits into that.
Error out_of_memory(const Error& failure, MemoryPlan plan, const ModelConfig& config, CacheType type,
                    std::uint64_t allocated_bytes);

// Bytes that a KV cache of these groups takes. Throws kOutOfMemory when the device has not that much left.
std::uint64_t require_cache(const Device& device, const ModelConfig& config, const std::vector<std::uint32_t>& groups,
                            CacheType type, std::uint32_t context, std::uint32_t sequences);

// "1.5 MiB"
std::string human_bytes(std::uint64_t bytes);

}  // namespace regroup
