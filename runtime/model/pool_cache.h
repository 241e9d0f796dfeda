// Moves a sequence's cache from one grouping of a model to another.
#pragma once

#include <cstdint>

#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"

namespace regroup {

// Fills positions [0, count) of `to` (sized for `after`) from `from` (filled under `before`).
// Each new group's rows are the mean of the old groups' rows that serve the same source heads: where the old groups are
// themselves pools of source heads, a mean of equal-sized pools is the pool of all. Going to more groups, a new group
// takes the rows of the old group that served its heads (nothing can be un-pooled: values stay equal to the old
// grouping's).
void pool_cache(const Grouping& before, const Grouping& after, const KvCache& from, const KvCache& to,
                std::uint32_t count);

}  // namespace regroup
