#include "converter/head_groups.h"

#include <numeric>

#include "runtime/core/error.h"

namespace regroup {

HeadGroups HeadGroups::contiguous(std::uint32_t kv_heads, std::uint32_t count) {
  REGROUP_CHECK(count > 0 && kv_heads % count == 0);
  HeadGroups out;
  const std::uint32_t size = kv_heads / count;
  for (std::uint32_t g = 0; g < count; ++g) {
    out.groups.emplace_back(size);
    std::iota(out.groups.back().begin(), out.groups.back().end(), g * size);
  }
  return out;
}

bool HeadGroups::is_identity() const {
  return is_contiguous() && group_size() == 1;
}

bool HeadGroups::is_contiguous() const {
  return groups == contiguous(kv_heads(), count()).groups;
}

std::vector<std::uint32_t> HeadGroups::query_order(std::uint32_t r) const {
  std::vector<std::uint32_t> order;
  for (const auto& group : groups) {
    for (const std::uint32_t head : group) {
      for (std::uint32_t i = 0; i < r; ++i) order.push_back(head * r + i);
    }
  }
  return order;
}

}  // namespace regroup
