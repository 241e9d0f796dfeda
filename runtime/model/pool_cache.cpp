#include "runtime/model/pool_cache.h"

#include <algorithm>
#include <numeric>

#include "runtime/core/error.h"
#include "runtime/gpu/command_list.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

// Terms from `old_groups` cached heads to `new_groups`, both contiguous pools of the same source heads. First and
// random pooling keep one source head per group; from a finer grouping that head's own rows are taken.
std::vector<PoolTerm> cache_terms(const LayerPlan& before, const LayerPlan& after, PoolMethod method) {
  std::vector<PoolTerm> terms;
  const std::uint32_t old_groups = before.groups, new_groups = after.groups;
  if (new_groups >= old_groups) {
    for (std::uint32_t g = 0; g < new_groups; ++g) terms.push_back({g, g * old_groups / new_groups, 1.0f});
    return terms;
  }
  if (method != PoolMethod::kMean && before.is_identity()) return after.terms;
  if (old_groups % new_groups == 0 && method != PoolMethod::kMean) {
    for (std::uint32_t g = 0; g < new_groups; ++g) terms.push_back({g, g * (old_groups / new_groups), 1.0f});
    return terms;
  }
  // With 6 heads, 3 groups to 2: a new group overlaps old ones in part; weights are the shares of source heads (common
  // multiple units).
  const std::uint32_t units = std::lcm(old_groups, new_groups);
  const std::uint32_t per_new = units / new_groups, per_old = units / old_groups;
  for (std::uint32_t g = 0; g < new_groups; ++g) {
    const std::uint32_t begin = g * per_new, end = begin + per_new;
    for (std::uint32_t old = begin / per_old; old * per_old < end; ++old) {
      const std::uint32_t shared = std::min(end, (old + 1) * per_old) - std::max(begin, old * per_old);
      terms.push_back({g, old, static_cast<float>(shared) / static_cast<float>(per_new)});
    }
  }
  return terms;
}

}  // namespace

void pool_cache(const Grouping& before, const Grouping& after, const KvCache& from, const KvCache& to,
                std::uint32_t count) {
  const auto layers = static_cast<std::uint32_t>(before.plan().layers.size());
  REGROUP_CHECK(after.plan().layers.size() == layers && count <= from.capacity() && count <= to.capacity());
  Device& device = after.device();
  Arena arena(device, MemoryUse::kDevice, "pooling terms");
  CommandList list(device);
  for (std::uint32_t l = 0; l < layers; ++l) {
    const auto terms = cache_terms(before.plan().layers[l], after.plan().layers[l], after.plan().method);
    const auto encoded = encode_pool_terms(terms, after.groups(l));
    const Buffer& buffer = arena.buffer(encoded.size() * 4, "pooling terms");
    upload_values<std::uint32_t>(device, buffer, encoded);
    record(list, after.profile(), PoolCache{from.layer(l), to.layer(l), count, terms, buffer});
  }
  list.run();
}

}  // namespace regroup
