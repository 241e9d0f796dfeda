#include "converter/group_costs.h"

#include <vector>

#include "converter/shared_head.h"
#include "runtime/core/error.h"

namespace regroup {
namespace {

// What a squared error of a key of source head `head` moves: each query head's own sensitivity times scale^2 times
// `moment` of its queries, summed.
template <typename Value, typename Moment>
Value sensitive_sum(const AttentionLayer& source, const LayerStatistics& statistics, std::uint32_t head, Value sum,
                    const Moment& moment) {
  const Eigen::Index r = source.queries_per_kv_head();
  const double squared_scale = double{source.scale} * source.scale;
  for (Eigen::Index i = head * r; i < (head + 1) * r; ++i) {
    sum += squared_scale * statistics.logit_sensitivity[i] * moment(i);
  }
  return sum;
}

double key_error(const AttentionLayer& source, const LayerStatistics& statistics,
                 std::span<const std::uint32_t> heads) {
  double error = 0;
  for (Eigen::Index p = 0; p < source.rotary_dims / 2; ++p) {
    Eigen::VectorXd weights(static_cast<Eigen::Index>(heads.size()));
    for (std::size_t j = 0; j < heads.size(); ++j) {
      // Re(q k^*)^2 is half of |q|^2 |k|^2 on average.
      weights[static_cast<Eigen::Index>(j)] = sensitive_sum(
          source, statistics, heads[j], 0.0, [&](Eigen::Index i) { return statistics.query_energy(i, p) / 2; });
    }
    error += shared_plane_error(group_plane_gram(statistics.key_gram[static_cast<std::size_t>(p)], heads), weights);
  }
  const Eigen::Index rest = source.head_dim - source.rotary_dims;
  if (rest == 0) return error;
  std::vector<Eigen::MatrixXd> costs;
  for (const std::uint32_t head : heads) {
    const Eigen::MatrixXd none = Eigen::MatrixXd::Zero(rest, rest);
    costs.push_back(sensitive_sum(source, statistics, head, none, [&](Eigen::Index i) -> const Eigen::MatrixXd& {
      return statistics.unrotated_query_gram[static_cast<std::size_t>(i)];
    }));
  }
  return error + shared_subspace_error(group_gram(statistics.unrotated_key_gram, heads, rest), costs);
}

// E[e e^T] over tokens, e: what the merged group loses of the attended values of its query heads, one after the other.
// [m r D, m r D]
Eigen::MatrixXd lost_moments(const AttentionLayer& source, std::span<const std::uint32_t> heads, const GroupMaps& maps,
                             std::span<const HostAttention> sequences, std::uint32_t window) {
  REGROUP_CHECK(heads.size() == maps.size() && !sequences.empty());
  const Eigen::Index dim = source.head_dim, r = source.queries_per_kv_head();
  const Eigen::Index queries = static_cast<Eigen::Index>(heads.size()) * r;
  Eigen::MatrixXd moments = Eigen::MatrixXd::Zero(queries * dim, queries * dim);
  double tokens = 0;
  for (const HostAttention& sequence : sequences) {
    const Eigen::Index count = sequence.keys.rows();
    Eigen::MatrixXd key = Eigen::MatrixXd::Zero(dim, count), value = Eigen::MatrixXd::Zero(count, dim);
    for (std::size_t j = 0; j < heads.size(); ++j) {
      const Eigen::Index at = heads[j] * dim;
      key += mapped_rows(maps[j].key_planes, maps[j].key_rest, sequence.keys.middleCols(at, dim).transpose());
      value.noalias() += sequence.values.middleCols(at, dim) * maps[j].value.transpose();
    }
    const Eigen::MatrixXd keys = key.transpose();
    Eigen::MatrixXd lost(count, queries * dim);
    for (Eigen::Index i = 0; i < queries; ++i) {
      const std::size_t j = static_cast<std::size_t>(i / r);
      const Eigen::Index head = heads[j] * r + i % r;
      const Eigen::MatrixXd query = mapped_rows(maps[j].query_planes, maps[j].query_rest,
                                                sequence.queries.middleCols(head * dim, dim).transpose());
      const Eigen::MatrixXd attended =
          attention_probabilities(query.transpose(), keys, double{source.scale}, window) * value;
      lost.middleCols(i * dim, dim) =
          sequence.heads.middleCols(head * dim, dim) - attended * maps[j].output.transpose();
    }
    moments.noalias() += lost.transpose() * lost;
    tokens += static_cast<double>(count);
  }
  return moments / tokens;
}

}  // namespace

GroupCost closed_form_cost(const AttentionLayer& source, const LayerStatistics& statistics) {
  REGROUP_CHECK(!source.qk_norm && statistics.logit_sensitivity.size() == source.query_heads);
  return [&source, &statistics](std::span<const std::uint32_t> heads) {
    std::vector<Eigen::MatrixXd> costs;
    for (const std::uint32_t head : heads) costs.push_back(value_cost(source, head));
    return key_error(source, statistics, heads) +
           shared_subspace_error(group_gram(statistics.value_gram, heads, source.head_dim), costs);
  };
}

double measured_group_error(const AttentionLayer& source, std::span<const std::uint32_t> heads, const GroupMaps& maps,
                            std::span<const HostAttention> sequences, std::uint32_t window) {
  const Eigen::Index width = source.queries_per_kv_head() * Eigen::Index{source.head_dim};
  Eigen::MatrixXd outputs(source.hidden, static_cast<Eigen::Index>(heads.size()) * width);
  for (std::size_t j = 0; j < heads.size(); ++j) {
    outputs.middleCols(static_cast<Eigen::Index>(j) * width, width) =
        source.output.middleCols(heads[j] * width, width).cast<double>();
  }
  const Eigen::MatrixXd lost = lost_moments(source, heads, maps, sequences, window);
  return lost.cwiseProduct(outputs.transpose() * outputs).sum();
}

GroupCost measured_cost(const AttentionLayer& source, const LayerStatistics& statistics,
                        std::span<const HostAttention> sequences, std::uint32_t window) {
  const Eigen::MatrixXd outputs = source.output.cast<double>();
  Eigen::MatrixXd gram = Eigen::MatrixXd::Zero(outputs.cols(), outputs.cols());  // W_o^T W_o
  gram.selfadjointView<Eigen::Lower>().rankUpdate(outputs.transpose());
  gram.triangularView<Eigen::StrictlyUpper>() = gram.transpose();
  std::vector<Eigen::MatrixXd> costs;
  for (std::uint32_t head = 0; head < source.kv_heads; ++head) costs.push_back(value_cost(source, head));
  return [&source, &statistics, sequences, window, gram = std::move(gram),
          costs = std::move(costs)](std::span<const std::uint32_t> heads) {
    std::vector<Eigen::MatrixXd> group_costs;
    for (const std::uint32_t head : heads) group_costs.push_back(costs[head]);
    const GroupMaps maps = shared_head_maps(source, statistics, heads, group_costs);
    const Eigen::Index width = source.queries_per_kv_head() * Eigen::Index{source.head_dim};
    return lost_moments(source, heads, maps, sequences, window).cwiseProduct(group_gram(gram, heads, width)).sum();
  };
}

}  // namespace regroup
