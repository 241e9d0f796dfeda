// Which source KV heads form which group in each layer, and with what weights: a value, independent of any device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/model/model_config.h"
#include "runtime/ops/pooling.h"

namespace regroup {

// How heads of a group become one, as far as it needs no calibration (paper, section 2.1: mean > first > random).
enum class PoolMethod { kMean, kFirst, kRandom };
std::string_view pool_method_name(PoolMethod method);
// Throws kUsage for an unknown name.
PoolMethod pool_method_from_name(std::string_view name);

struct LayerPlan {
  std::uint32_t groups = 0;
  std::vector<PoolTerm> terms;  // by target; empty: the layer is left as it is

  bool is_identity() const { return terms.empty(); }
};

struct GroupPlan {
  PoolMethod method = PoolMethod::kMean;
  std::vector<LayerPlan> layers;

  // Every layer as the checkpoint has it.
  static GroupPlan identity(const ModelConfig& config);
  // groups[l] for each layer, or one number for all. Contiguous heads form a group (paper: h -> floor(h G / H)). Each
  // must divide the layer's KV heads; throws kUsage naming layer and numbers. `seed` chooses the heads of kRandom.
  static GroupPlan contiguous(const ModelConfig& config, const std::vector<std::uint32_t>& groups, PoolMethod method,
                              std::uint64_t seed = 0);
  // Parses GROUPS as the command line takes it: "4" or "8,8,4,2". Throws kUsage.
  static std::vector<std::uint32_t> parse_groups(std::string_view text);

  bool is_identity() const;
  std::vector<std::uint32_t> groups() const;
};

// The divisors of every layer's KV heads that all layers share, descending: the positions of the G knob.
std::vector<std::uint32_t> possible_groups(const ModelConfig& config);

}  // namespace regroup
