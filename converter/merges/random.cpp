// Each group's head is one of its members, drawn from the seed: a baseline of Ainslie et al. 2023, section 3.3.
#include <random>

#include "converter/merge.h"
#include "converter/pooled_heads.h"

namespace regroup {
namespace {

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  // Every layer draws for itself, so that a layer's result does not depend on which others are merged. seed_seq and the
  // engine are fixed by the standard: the same seed draws the same heads everywhere.
  std::seed_seq seed{static_cast<std::uint32_t>(input.seed), static_cast<std::uint32_t>(input.seed >> 32), input.layer};
  std::mt19937_64 random(seed);
  std::vector<PoolTerm> terms;
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    const auto& group = groups.groups[g];
    terms.push_back({g, group[static_cast<std::size_t>(random() % group.size())], 1.0f});
  }
  return pool_heads(source, groups, terms);
}

}  // namespace

const MergeMethod& random_merge() {
  static const MergeMethod method = {"random", "one head of each group, drawn by seed", MergeNeeds::kWeights, false,
                                     merge};
  return method;
}

}  // namespace regroup
