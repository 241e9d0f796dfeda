// Merging that only pools: each group's K and V rows are weighted sums of its members' rows, queries and outputs stay.
#pragma once

#include <vector>

#include "converter/attention_layer.h"
#include "converter/head_groups.h"
#include "runtime/ops/pooling.h"

namespace regroup {

// `source` with K, V and their biases pooled by `terms` (target: a group, source: a source head), bit by bit as the
// pooling shader does; query heads in the order of `groups`.
AttentionLayer pool_heads(const AttentionLayer& source, const HeadGroups& groups, const std::vector<PoolTerm>& terms);

// The terms of mean pooling.
std::vector<PoolTerm> mean_terms(const HeadGroups& groups);

}  // namespace regroup
