// What merging a group of heads by shared_head_maps costs: as the closed form predicts it, or measured on activations.
#pragma once

#include <cstdint>
#include <span>

#include "converter/attention_layer.h"
#include "converter/grouping_search.h"
#include "converter/head_maps.h"
#include "converter/host_attention.h"
#include "converter/layer_statistics.h"

namespace regroup {

// Both refer to their arguments, which must outlive them.

// The closed-form errors of keys and values in units of the layer's output energy, logit errors linearised: quick, but
// a poor guide where they are large (softmax saturates, the linearisation does not). statistics.logit_sensitivity must
// be there.
GroupCost closed_form_cost(const AttentionLayer& source, const LayerStatistics& statistics);

// The mean squared error per token that the merged group leaves in the layer's output: keys, queries and values of the
// sequences are taken through the maps, attention is computed again. W_o^T W_o, [H D, H D], is computed once and kept.
GroupCost measured_cost(const AttentionLayer& source, const LayerStatistics& statistics,
                        std::span<const HostAttention> sequences, std::uint32_t window = 0);

// That error for given maps of a group.
double measured_group_error(const AttentionLayer& source, std::span<const std::uint32_t> heads, const GroupMaps& maps,
                            std::span<const HostAttention> sequences, std::uint32_t window = 0);

}  // namespace regroup
