// How many groups each layer should keep so that the KV cache stays within a budget and least is lost.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/model/model_config.h"

namespace regroup {

// BYTES of "budget:BYTES"; nothing for groups in other words. Throws kUsage when it is no number.
std::optional<std::uint64_t> groups_budget(std::string_view groups);

// Throws kUsage when not even one group in every layer of `config` fits: before anything is measured.
void check_budget(const ModelConfig& config, std::uint64_t budget_bytes_per_token);

// One way to convert one layer.
struct BudgetOption {
  std::uint32_t groups = 0;
  std::uint64_t bytes_per_token = 0;  // of the layer's KV cache
  double damage = 0;                  // e.g. the KL divergence that this layer alone, so converted, causes
};

struct BudgetPlan {
  std::vector<std::uint32_t> groups;  // one per layer
  std::uint64_t bytes_per_token = 0;  // of all layers
  double damage = 0;                  // summed: layers are taken to do harm independently
};

// The choice of one option per layer with the least summed damage among those of at most `budget` bytes per token, and
// of these the smallest; exact. Every layer has at least one option. Throws kUsage, naming the least that is possible,
// when even the smallest options are too large.
BudgetPlan plan_for_budget(std::span<const std::vector<BudgetOption>> layers, std::uint64_t budget_bytes_per_token);

}  // namespace regroup
