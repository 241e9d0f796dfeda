// Mean pooling with the norm restored: the mean of unlike heads is short, so every pooled head is stretched to the mean
// Frobenius norm of its members' projections, and a pooled bias to the mean norm of its members' biases.
#include "converter/merge.h"
#include "converter/pooled_heads.h"

namespace regroup {
namespace {

template <typename Heads>
void restore_norms(const Heads& source, const HeadGroups& groups, Eigen::Index dim, Heads& pooled) {
  if (source.size() == 0 || groups.group_size() == 1) return;
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    double wanted = 0;
    for (const std::uint32_t head : groups.groups[g]) {
      wanted += source.middleRows(head * dim, dim).template cast<double>().norm() / groups.group_size();
    }
    const double found = pooled.middleRows(g * dim, dim).template cast<double>().norm();
    if (found > 0) pooled.middleRows(g * dim, dim) *= static_cast<float>(wanted / found);
  }
}

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput&) {
  AttentionLayer out = pool_heads(source, groups, mean_terms(groups));
  const Eigen::Index dim = source.head_dim;
  restore_norms(source.key, groups, dim, out.key);
  restore_norms(source.value, groups, dim, out.value);
  restore_norms(source.key_bias, groups, dim, out.key_bias);
  restore_norms(source.value_bias, groups, dim, out.value_bias);
  return out;
}

}  // namespace

const MergeMethod& mean_norm_merge() {
  static const MergeMethod method = {"mean-norm", "mean pooling with the members' norm restored", MergeNeeds::kWeights,
                                     false, merge};
  return method;
}

}  // namespace regroup
