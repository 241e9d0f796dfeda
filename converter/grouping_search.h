// Which heads should share a KV head: the partition of a layer's KV heads into equal groups that costs least, for any
// cost of one group.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "converter/head_groups.h"

namespace regroup {

// What merging these source KV heads (ascending) into one costs, 0 or more; costs of groups are added. Called once for
// every set of heads at most; may throw, for instance to stop.
using GroupCost = std::function<double(std::span<const std::uint32_t> heads)>;

struct GroupingEffort {
  // Of all groups there are, this many at most are tried all: the result is then the best partition.
  std::uint32_t most_exhaustive = 128;  // 8 heads have 70 groups of 4, 16 have 120 pairs
  // Otherwise the costs of all pairs guide the search, and for groups of more than two at most so many more are tried.
  std::uint32_t most_refining = 256;
};

// Groups hold ascending heads and are ordered by their first. Never worse than contiguous groups by the same cost, and
// the same for the same costs. `groups` must divide `kv_heads`.
HeadGroups best_grouping(std::uint32_t kv_heads, std::uint32_t groups, const GroupCost& cost,
                         const GroupingEffort& effort = {});

}  // namespace regroup
