// Each group's head is one of its members, drawn from the seed: a baseline of Ainslie et al. 2023, section 3.3.
#include "converter/merge.h"
#include "converter/pooled_heads.h"
#include "runtime/model/drawn_heads.h"

namespace regroup {
namespace {

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  const auto drawn = drawn_heads(input.seed, input.layer, groups.count(), source.kv_heads / groups.count());
  std::vector<PoolTerm> terms;
  for (std::uint32_t g = 0; g < groups.count(); ++g) terms.push_back({g, groups.groups[g][drawn[g]], 1.0f});
  return pool_heads(source, groups, terms);
}

}  // namespace

const MergeMethod& random_merge() {
  static const MergeMethod method = {"random", "one head of each group, drawn by seed", MergeNeeds::kWeights, false,
                                     merge};
  return method;
}

}  // namespace regroup
