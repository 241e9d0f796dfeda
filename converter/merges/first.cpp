// Each group's head is its first member, unchanged: a baseline of Ainslie et al. 2023, section 3.3.
#include "converter/merge.h"
#include "converter/pooled_heads.h"

namespace regroup {
namespace {

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput&) {
  std::vector<PoolTerm> terms;
  for (std::uint32_t g = 0; g < groups.count(); ++g) terms.push_back({g, groups.groups[g].front(), 1.0f});
  return pool_heads(source, groups, terms);
}

}  // namespace

const MergeMethod& first_merge() {
  static const MergeMethod method = {"first", "each group's first head", MergeNeeds::kWeights, false, merge};
  return method;
}

}  // namespace regroup
