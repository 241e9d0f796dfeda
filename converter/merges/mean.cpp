// Mean pooling: each group's head is the mean of its members' projections (Ainslie et al. 2023, section 2.1).
#include "converter/merge.h"
#include "converter/pooled_heads.h"

namespace regroup {
namespace {

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput&) {
  return pool_heads(source, groups, mean_terms(groups));
}

}  // namespace

const MergeMethod& mean_merge() {
  static const MergeMethod method = {"mean", "the paper's mean pooling", MergeNeeds::kWeights, false, merge};
  return method;
}

}  // namespace regroup
