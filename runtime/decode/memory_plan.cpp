#include "runtime/decode/memory_plan.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/model/group_plan.h"
#include "runtime/model/kv_cache.h"

namespace regroup {
namespace {

std::uint64_t padded_positions(std::uint32_t context) {
  return (std::uint64_t{context} + kPositionStep - 1) / kPositionStep * kPositionStep;
}

constexpr std::string_view kSmallerModel = "use a smaller or more strongly quantised model";

// The longest context, or the number of groups, that fits into what is free; empty when the model alone does not.
std::string what_would_fit(const MemoryPlan& plan, const ModelConfig& config, CacheType type) {
  const std::uint64_t fixed = plan.weights_bytes + plan.scratch_bytes;
  const std::uint64_t left = plan.free_bytes - std::min(fixed, plan.free_bytes);
  const std::uint64_t longest = left / plan.kv_bytes_per_token / kPositionStep * kPositionStep;
  if (longest == 0) return {};
  std::string advice = fmt::format("-c {} would fit", longest);
  for (const std::uint32_t g : possible_groups(config)) {
    const std::vector<std::uint32_t> groups(config.layer_count(), g);
    if (kv_bytes_per_token(config, groups, type) * padded_positions(plan.context) <= left) {
      advice += fmt::format(", or --groups {} at this context", g);
      break;
    }
  }
  return advice;
}

}  // namespace

std::string human_bytes(std::uint64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes >= 1u << 30) return fmt::format("{:.2f} GiB", value / (1u << 30));
  if (bytes >= 1u << 20) return fmt::format("{:.1f} MiB", value / (1u << 20));
  return fmt::format("{:.1f} KiB", value / 1024);
}

std::string MemoryPlan::describe() const {
  return fmt::format("weights {} + KV cache {} ({} positions of {} bytes) + scratch {} = {}; free {}",
                     human_bytes(weights_bytes), human_bytes(kv_bytes), context, kv_bytes_per_token,
                     human_bytes(scratch_bytes), human_bytes(total_bytes()), human_bytes(free_bytes));
}

MemoryPlan plan_memory(const Device& device, const KernelProfile& profile, const ModelFile& file,
                       const ModelOutline& outline, const std::vector<std::uint32_t>& groups, CacheType type,
                       std::uint32_t context, std::uint32_t prefill_chunk) {
  const ModelConfig& config = outline.config;
  MemoryPlan plan;
  plan.context = context;
  plan.weights_bytes = weight_bytes(file, outline, profile).total();
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    if (groups[l] == config.layers[l].kv_heads) continue;
    plan.weights_bytes += 2ull * groups[l] * config.head_dim * ((config.hidden + 31) / 32 * 32) * 4;  // pooled, f32
  }
  plan.kv_bytes_per_token = kv_bytes_per_token(config, groups, type);
  plan.kv_bytes = plan.kv_bytes_per_token * padded_positions(context);
  const std::uint64_t row_elements = 3ull * config.hidden + 2ull * config.feed_forward + 2ull * config.query_columns() +
                                     2ull * config.most_kv_heads() * config.head_dim;
  plan.scratch_bytes = row_elements * prefill_chunk * 4 + 17ull * config.vocabulary * 4 +
                       2ull * context * config.rotary_dims * 4 + (1u << 20);
  plan.free_bytes = device.free_memory_bytes();
  return plan;
}

void require_fit(const MemoryPlan& plan, const ModelConfig& config, CacheType type) {
  if (plan.fits()) return;
  const std::string advice = what_would_fit(plan, config, type);
  if (advice.empty()) {
    throw_error(ErrorCode::kOutOfMemory, "the model does not fit: {}; {}", plan.describe(), kSmallerModel);
  }
  throw_error(ErrorCode::kOutOfMemory, "the run does not fit: {}; {}", plan.describe(), advice);
}

Error out_of_memory(const Error& failure, MemoryPlan plan, const ModelConfig& config, CacheType type,
                    std::uint64_t allocated_bytes) {
  plan.free_bytes = std::min(allocated_bytes, plan.total_bytes() - 1);
  const std::string advice = what_would_fit(plan, config, type);
  std::string what = failure.what();
  what.resize(std::min(what.find("; "), what.size()));  // the general advice
  return Error(ErrorCode::kOutOfMemory,
               fmt::format("{}; the run takes {}, the device gave {}: {}", what, human_bytes(plan.total_bytes()),
                           human_bytes(allocated_bytes), advice.empty() ? kSmallerModel : advice));
}

std::uint64_t require_cache(const Device& device, const ModelConfig& config, const std::vector<std::uint32_t>& groups,
                            CacheType type, std::uint32_t context, std::uint32_t sequences) {
  const std::uint64_t positions = padded_positions(context);
  const std::uint64_t bytes = kv_bytes_per_token(config, groups, type) * positions * sequences;
  if (bytes > device.free_memory_bytes()) {
    throw_error(ErrorCode::kOutOfMemory,
                "a KV cache of {} with {} positions takes {}, {} are free; use a shorter context{} or fewer groups",
                sequences == 1 ? std::string("one sequence") : fmt::format("{} sequences", sequences), positions,
                human_bytes(bytes), human_bytes(device.free_memory_bytes()), sequences == 1 ? "" : ", fewer sequences");
  }
  return bytes;
}

}  // namespace regroup
