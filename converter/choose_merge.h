// Merging one layer: by the method asked for, or by the best of all valid ones.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "converter/convert_layers.h"
#include "converter/layer_calibration.h"
#include "converter/merge.h"

namespace regroup {

inline constexpr std::string_view kAutoMethod = "auto";

// The methods that `method` lets choose among on a layer like `shape`: itself, or for "auto" all valid ones worth
// trying, cheap ones first.
std::vector<const MergeMethod*> candidate_methods(std::string_view method, const AttentionLayer& shape);

// Merges by every candidate and keeps the one of the smallest error. `error`: of a merged layer on held-out text.
MergedLayer choose_merge(std::span<const MergeMethod* const> candidates, const AttentionLayer& source,
                         const HeadGroups& groups, const MergeInput& input,
                         const std::function<double(const AttentionLayer&)>& error);

// The heads that merge with the smallest error, measured on a few sequences of the teacher's inputs ([length, hidden]
// each).
HeadGroups measured_groups(const AttentionLayer& source, std::uint32_t groups, const LayerStatistics& statistics,
                           std::span<const Eigen::MatrixXd> inputs, std::span<const float> rope_table,
                           std::uint32_t window, const CancelFlag* cancel);

}  // namespace regroup
