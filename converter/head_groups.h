// Which source KV heads form each group of one layer: a partition into groups of equal size.
#pragma once

#include <cstdint>
#include <vector>

namespace regroup {

// groups[g] lists the source KV heads of target head g; every head stands in exactly one group, all groups are equally
// large. Query heads follow their KV head: the merged layer holds the query heads of groups[0] first, and so on.
struct HeadGroups {
  std::vector<std::vector<std::uint32_t>> groups;

  // The paper's: heads g m .. g m + m - 1. `count` must divide `kv_heads`.
  static HeadGroups contiguous(std::uint32_t kv_heads, std::uint32_t count);

  std::uint32_t count() const { return static_cast<std::uint32_t>(groups.size()); }
  std::uint32_t group_size() const { return static_cast<std::uint32_t>(groups.front().size()); }
  std::uint32_t kv_heads() const { return count() * group_size(); }
  // Every group is one head and they stand in order.
  bool is_identity() const;
  // Every group holds neighbouring heads in order.
  bool is_contiguous() const;
  // Source query heads in the order of the merged layer, r = query heads per source KV head.
  std::vector<std::uint32_t> query_order(std::uint32_t r) const;
};

}  // namespace regroup
