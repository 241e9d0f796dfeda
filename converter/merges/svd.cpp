// Low-rank merging: every RoPE plane of a group's keys becomes the complex combination of its members that loses least
// of what their queries see, the values become the common subspace that loses least of the layer's output; factors and
// maps of the members are folded into W_q and W_o. Needs second moments of real activations: from the weights alone
// (inputs taken as uncorrelated) it measured worse than mean pooling on a real model.
#include "converter/merge.h"
#include "converter/shared_head.h"
#include "runtime/core/error.h"

namespace regroup {
namespace {

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  REGROUP_CHECK(input.statistics != nullptr);
  std::vector<GroupMaps> maps;
  for (const auto& group : groups.groups) {
    check_cancelled(input);
    maps.push_back(shared_head_maps(source, *input.statistics, group));
  }
  return apply_maps(source, groups, maps);
}

}  // namespace

const MergeMethod& svd_merge() {
  static const MergeMethod method = {"svd", "low-rank keys and values, in closed form from calibration statistics",
                                     MergeNeeds::kStatistics, true, merge};
  return method;
}

}  // namespace regroup
