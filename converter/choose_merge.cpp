#include "converter/choose_merge.h"

#include <cmath>

#include "converter/group_costs.h"
#include "converter/grouping_search.h"
#include "converter/host_attention.h"
#include "runtime/core/error.h"

namespace regroup {

std::vector<const MergeMethod*> candidate_methods(std::string_view method, const AttentionLayer& shape) {
  if (method != kAutoMethod) return {&merge_method_named(method)};
  std::vector<const MergeMethod*> out;
  for (const MergeMethod* row : merge_methods()) {
    if (row->name == "first" || row->name == "random") continue;  // never better than mean before training
    if (!refusal(*row, shape)) out.push_back(row);
  }
  REGROUP_CHECK(!out.empty());
  return out;
}

MergedLayer choose_merge(std::span<const MergeMethod* const> candidates, const AttentionLayer& source,
                         const HeadGroups& groups, const MergeInput& input,
                         const std::function<double(const AttentionLayer&)>& error) {
  MergedLayer best{.layer = input.layer, .groups = groups, .method = "none"};
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    check_cancelled(input);
    MergeInput part = input;
    if (input.progress) {
      part.progress = [&](std::string_view label, double fraction) {
        input.progress(label, (static_cast<double>(i) + fraction) / static_cast<double>(candidates.size()));
      };
    }
    AttentionLayer merged = candidates[i]->merge(source, groups, part);
    const double its_error = error(merged);
    // A result that is not a number loses against everything, and is taken only where nothing else is left.
    const bool first = best.method == "none";
    if (!first && !(its_error < *best.error || std::isnan(*best.error))) continue;
    best.method = candidates[i]->name;
    best.error = its_error;
    best.attention = std::move(merged);
  }
  return best;
}

HeadGroups measured_groups(const AttentionLayer& source, std::uint32_t groups, const LayerStatistics& statistics,
                           std::span<const Eigen::MatrixXd> inputs, std::span<const float> rope_table,
                           std::uint32_t window, const CancelFlag* cancel) {
  std::vector<HostAttention> sequences;
  for (const Eigen::MatrixXd& input : inputs) sequences.push_back(attend_on_host(source, input, rope_table, window));
  const GroupCost cost = measured_cost(source, statistics, sequences, window);
  return best_grouping(source.kv_heads, groups, [&](std::span<const std::uint32_t> heads) {
    if (cancelled(cancel)) throw_error(ErrorCode::kInterrupted, "stopped while searching groups");
    return cost(heads);
  });
}

}  // namespace regroup
