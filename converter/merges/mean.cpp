// Mean pooling: each group's head is the mean of its members' projections (Ainslie et al. 2023, section 2.1).
#include "converter/merge.h"
#include "runtime/ops/pooling.h"

namespace regroup {
namespace {

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput&) {
  AttentionLayer out = with_query_order(source, groups);
  out.kv_heads = groups.count();
  std::vector<PoolTerm> terms;
  const float factor = 1.0f / static_cast<float>(groups.group_size());
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    for (const std::uint32_t head : groups.groups[g]) terms.push_back({g, head, factor});
  }
  const auto pool = [&](const WeightRows& heads) {
    WeightRows pooled(groups.count() * source.head_dim, heads.cols());
    pool_rows_on_host(terms, groups.count(), source.head_dim, static_cast<std::uint32_t>(heads.cols()),
                      {heads.data(), static_cast<std::size_t>(heads.size())},
                      {pooled.data(), static_cast<std::size_t>(pooled.size())});
    return pooled;
  };
  const auto pool_bias = [&](const Eigen::VectorXf& bias) -> Eigen::VectorXf {
    if (bias.size() == 0) return {};
    Eigen::VectorXf pooled(groups.count() * source.head_dim);
    pool_rows_on_host(terms, groups.count(), source.head_dim, 1, {bias.data(), static_cast<std::size_t>(bias.size())},
                      {pooled.data(), static_cast<std::size_t>(pooled.size())});
    return pooled;
  };
  out.key = pool(source.key);
  out.value = pool(source.value);
  out.key_bias = pool_bias(source.key_bias);
  out.value_bias = pool_bias(source.value_bias);
  return out;
}

}  // namespace

const MergeMethod& mean_merge() {
  static const MergeMethod method = {"mean", "the paper's mean pooling", MergeNeeds::kWeights, false, merge};
  return method;
}

}  // namespace regroup
