#include "runtime/model/group_plan.h"

#include <algorithm>
#include <charconv>

#include "runtime/core/error.h"
#include "runtime/model/drawn_heads.h"

namespace regroup {
namespace {

LayerPlan plan_layer(std::uint32_t layer, std::uint32_t source_heads, std::uint32_t groups, PoolMethod method,
                     std::uint64_t seed) {
  LayerPlan plan{groups, {}};
  if (groups == source_heads) return plan;
  const std::uint32_t members = source_heads / groups;
  std::vector<std::uint32_t> drawn;
  if (method == PoolMethod::kRandom) drawn = drawn_heads(seed, layer, groups, members);
  for (std::uint32_t g = 0; g < groups; ++g) {
    const std::uint32_t first = g * members;
    switch (method) {
      case PoolMethod::kMean:
        for (std::uint32_t j = 0; j < members; ++j)
          plan.terms.push_back({g, first + j, 1.0f / static_cast<float>(members)});
        break;
      case PoolMethod::kFirst:
        plan.terms.push_back({g, first, 1.0f});
        break;
      case PoolMethod::kRandom:
        plan.terms.push_back({g, first + drawn[g], 1.0f});
        break;
    }
  }
  return plan;
}

}  // namespace

std::string_view pool_method_name(PoolMethod method) {
  switch (method) {
    case PoolMethod::kMean:
      return "mean";
    case PoolMethod::kFirst:
      return "first";
    case PoolMethod::kRandom:
      return "random";
  }
  return "mean";
}

PoolMethod pool_method_from_name(std::string_view name) {
  for (const PoolMethod method : {PoolMethod::kMean, PoolMethod::kFirst, PoolMethod::kRandom}) {
    if (pool_method_name(method) == name) return method;
  }
  throw_error(ErrorCode::kUsage, "unknown method '{}'; live regrouping knows mean, first and random", escaped(name));
}

GroupPlan GroupPlan::identity(const ModelConfig& config) {
  GroupPlan plan;
  for (const LayerConfig& layer : config.layers) plan.layers.push_back({layer.kv_heads, {}});
  return plan;
}

GroupPlan GroupPlan::contiguous(const ModelConfig& config, const std::vector<std::uint32_t>& groups, PoolMethod method,
                                std::uint64_t seed) {
  if (groups.size() != 1 && groups.size() != config.layers.size()) {
    throw_error(ErrorCode::kUsage,
                "--groups gives {} numbers, the model has {} layers; give one number or one per layer", groups.size(),
                config.layers.size());
  }
  GroupPlan plan;
  plan.method = method;
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    const std::uint32_t wanted = groups.size() == 1 ? groups[0] : groups[i];
    const std::uint32_t source = config.layers[i].kv_heads;
    if (wanted == 0 || wanted > source || source % wanted != 0) {
      throw_error(ErrorCode::kUsage, "--groups {}: layer {} has {} KV heads, and {} does not divide them", wanted, i,
                  source, wanted);
    }
    plan.layers.push_back(plan_layer(static_cast<std::uint32_t>(i), source, wanted, method, seed));
  }
  return plan;
}

std::vector<std::uint32_t> GroupPlan::parse_groups(std::string_view text) {
  std::vector<std::uint32_t> groups;
  for (std::string_view rest = text;;) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    std::uint32_t value = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), value);
    if (error != std::errc{} || end != item.data() + item.size() || value == 0) {
      throw_error(ErrorCode::kUsage, "--groups {}: expected one number of groups, or one per layer as 8,8,4,2",
                  escaped(text));
    }
    groups.push_back(value);
    if (comma == std::string_view::npos) return groups;
    rest = rest.substr(comma + 1);
  }
}

bool GroupPlan::is_identity() const {
  return std::all_of(layers.begin(), layers.end(), [](const LayerPlan& layer) { return layer.is_identity(); });
}

std::vector<std::uint32_t> GroupPlan::groups() const {
  std::vector<std::uint32_t> out;
  for (const LayerPlan& layer : layers) out.push_back(layer.groups);
  return out;
}

std::vector<std::uint32_t> possible_groups(const ModelConfig& config) {
  std::vector<std::uint32_t> out;
  for (std::uint32_t g = config.most_kv_heads(); g >= 1; --g) {
    const bool divides_all = std::all_of(config.layers.begin(), config.layers.end(),
                                         [&](const LayerConfig& layer) { return layer.kv_heads % g == 0; });
    if (divides_all) out.push_back(g);
  }
  return out;
}

}  // namespace regroup
