#include "converter/budget.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/model/kv_cache.h"

namespace regroup {
namespace {

// The first layers converted in some way that no other way beats in both bytes and damage.
struct Prefix {
  std::uint64_t bytes = 0;
  double damage = 0;
  std::size_t parent = 0;  // among the prefixes one layer shorter
  std::uint32_t groups = 0;
};

// Keeps what nothing beats: ascending bytes, descending damage. Of equals the first stays.
std::vector<Prefix> unbeaten(std::vector<Prefix> all) {
  std::stable_sort(all.begin(), all.end(), [](const Prefix& a, const Prefix& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.damage < b.damage;
  });
  std::vector<Prefix> kept;
  for (const Prefix& prefix : all) {
    if (kept.empty() || prefix.damage < kept.back().damage) kept.push_back(prefix);
  }
  return kept;
}

std::uint64_t fewest_bytes(const std::vector<BudgetOption>& options) {
  REGROUP_CHECK(!options.empty());
  std::uint64_t least = options.front().bytes_per_token;
  for (const BudgetOption& option : options) least = std::min(least, option.bytes_per_token);
  return least;
}

void check_least(std::uint64_t least, std::uint64_t budget_bytes_per_token) {
  if (least <= budget_bytes_per_token) return;
  throw_error(ErrorCode::kUsage,
              "a KV cache of {} bytes per token is not possible: with the fewest groups in every layer it takes {}",
              budget_bytes_per_token, least);
}

}  // namespace

void check_budget(const ModelConfig& config, std::uint64_t budget_bytes_per_token) {
  const std::vector<std::uint32_t> fewest(config.layers.size(), 1);
  check_least(kv_bytes_per_token(config, fewest, CacheType::kF16), budget_bytes_per_token);
}

std::optional<std::uint64_t> groups_budget(std::string_view groups) {
  constexpr std::string_view kBudget = "budget:";
  if (!groups.starts_with(kBudget)) return std::nullopt;
  const std::string_view number = groups.substr(kBudget.size());
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bytes);
  if (error != std::errc{} || end != number.data() + number.size() || bytes == 0) {
    throw_error(ErrorCode::kUsage, "--groups {}: expected budget:BYTES_PER_TOKEN, as budget:12288", escaped(groups));
  }
  return bytes;
}

BudgetPlan plan_for_budget(std::span<const std::vector<BudgetOption>> layers, std::uint64_t budget_bytes_per_token) {
  std::uint64_t rest = 0;  // what the layers still to come need at least
  for (const auto& options : layers) rest += fewest_bytes(options);
  check_least(rest, budget_bytes_per_token);
  std::vector<std::vector<Prefix>> steps = {{Prefix{}}};
  for (const auto& options : layers) {
    rest -= fewest_bytes(options);
    std::vector<Prefix> longer;
    for (std::size_t parent = 0; parent < steps.back().size(); ++parent) {
      const Prefix& prefix = steps.back()[parent];
      for (const BudgetOption& option : options) {
        REGROUP_CHECK(std::isfinite(option.damage));
        const std::uint64_t bytes = prefix.bytes + option.bytes_per_token;
        if (bytes + rest > budget_bytes_per_token) continue;
        longer.push_back({bytes, prefix.damage + option.damage, parent, option.groups});
      }
    }
    steps.push_back(unbeaten(std::move(longer)));
  }
  const Prefix& best = steps.back().back();  // the most bytes, the least damage
  BudgetPlan plan{
      .groups = std::vector<std::uint32_t>(layers.size()), .bytes_per_token = best.bytes, .damage = best.damage};
  std::size_t at = steps.back().size() - 1;
  for (std::size_t layer = layers.size(); layer > 0; --layer) {
    plan.groups[layer - 1] = steps[layer][at].groups;
    at = steps[layer][at].parent;
  }
  return plan;
}

}  // namespace regroup
