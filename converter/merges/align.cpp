// Alignment before pooling (Jin et al. 2024, arXiv 2412.20677, without its training): the heads of a group are turned
// onto each other, keys by unit phases per RoPE plane folded into W_q, values by orthogonal maps folded into W_o, and
// then averaged. How alike two heads are is told by calibration statistics where there are any, else by the weights
// alone, with the layer's inputs taken as uncorrelated and equally strong.
#include "converter/aligned_heads.h"
#include "converter/head_maps.h"
#include "converter/merge.h"
#include "converter/shared_head.h"
#include "runtime/core/error.h"

namespace regroup {
namespace {

// [W b] of the group's heads one above the other, [m D, d + 1].
Eigen::MatrixXd stacked(const WeightRows& weights, const Eigen::VectorXf& bias, const std::vector<std::uint32_t>& heads,
                        Eigen::Index dim) {
  Eigen::MatrixXd out(static_cast<Eigen::Index>(heads.size()) * dim, weights.cols() + 1);
  for (std::size_t j = 0; j < heads.size(); ++j) {
    auto rows = out.middleRows(static_cast<Eigen::Index>(j) * dim, dim);
    rows.leftCols(weights.cols()) = weights.middleRows(heads[j] * dim, dim).cast<double>();
    rows.rightCols(1).setZero();
    if (bias.size() > 0) rows.rightCols(1) = bias.segment(heads[j] * dim, dim).cast<double>();
  }
  return out;
}

// Second moments of a group's keys and values.
struct GroupMoments {
  std::vector<Eigen::MatrixXcd> planes;  // [m, m] each
  Eigen::MatrixXd rest;                  // [m U, m U]
  Eigen::MatrixXd values;                // [m D, m D]
};

GroupMoments moments_of_weights(const AttentionLayer& source, const std::vector<std::uint32_t>& heads) {
  const Eigen::Index dim = source.head_dim, planes = source.rotary_dims / 2, rest = dim - 2 * planes;
  const Eigen::Index count = static_cast<Eigen::Index>(heads.size());
  const Eigen::MatrixXd keys = stacked(source.key, source.key_bias, heads, dim);
  GroupMoments out;
  for (Eigen::Index p = 0; p < planes; ++p) {
    Eigen::MatrixXcd rows(count, keys.cols());
    for (Eigen::Index j = 0; j < count; ++j) {
      rows.row(j).real() = keys.row(j * dim + 2 * p);
      rows.row(j).imag() = keys.row(j * dim + 2 * p + 1);
    }
    out.planes.push_back(rows * rows.adjoint());
  }
  Eigen::MatrixXd unrotated(count * rest, keys.cols());
  for (Eigen::Index j = 0; j < count; ++j) {
    unrotated.middleRows(j * rest, rest) = keys.middleRows(j * dim + 2 * planes, rest);
  }
  out.rest = unrotated * unrotated.transpose();
  const Eigen::MatrixXd values = stacked(source.value, source.value_bias, heads, dim);
  out.values = values * values.transpose();
  return out;
}

GroupMoments moments_of_text(const AttentionLayer& source, const LayerStatistics& statistics,
                             const std::vector<std::uint32_t>& heads) {
  const Eigen::Index rest = source.head_dim - source.rotary_dims;
  GroupMoments out;
  REGROUP_CHECK(statistics.key_gram.size() == source.rotary_dims / 2);
  for (const Eigen::MatrixXcd& gram : statistics.key_gram) out.planes.push_back(group_plane_gram(gram, heads));
  out.rest = group_gram(statistics.unrotated_key_gram, heads, rest);
  out.values = group_gram(statistics.value_gram, heads, source.head_dim);
  return out;
}

GroupMaps aligning_maps(const AttentionLayer& source, const std::vector<std::uint32_t>& heads,
                        const MergeInput& input) {
  GroupMaps maps(heads.size(), HeadMap::identity(source.head_dim, source.rotary_dims));
  if (heads.size() == 1) return maps;
  const GroupMoments moments = input.statistics != nullptr ? moments_of_text(source, *input.statistics, heads)
                                                           : moments_of_weights(source, heads);
  const double share = 1.0 / static_cast<double>(heads.size());
  for (std::size_t p = 0; p < moments.planes.size(); ++p) {
    const Eigen::VectorXcd phases = aligning_phases(moments.planes[p]);
    const Eigen::Index plane = static_cast<Eigen::Index>(p);
    for (std::size_t j = 0; j < heads.size(); ++j) {
      const std::complex<double> phase = phases[static_cast<Eigen::Index>(j)];
      maps[j].key_planes[plane] = share * phase;
      maps[j].query_planes[plane] = phase;  // 1 / conj(phase)
    }
  }
  const Eigen::Index rest = source.head_dim - source.rotary_dims;
  const std::vector<Eigen::MatrixXd> rest_maps =
      rest > 0 ? aligning_rotations(moments.rest, rest) : std::vector<Eigen::MatrixXd>(heads.size());
  const std::vector<Eigen::MatrixXd> value_maps = aligning_rotations(moments.values, source.head_dim);
  for (std::size_t j = 0; j < heads.size(); ++j) {
    maps[j].key_rest = share * rest_maps[j];
    maps[j].query_rest = rest_maps[j];
    maps[j].value = share * value_maps[j];
    maps[j].output = value_maps[j].transpose();
  }
  return maps;
}

AttentionLayer merge(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input) {
  std::vector<GroupMaps> maps;
  for (const auto& group : groups.groups) {
    check_cancelled(input);
    maps.push_back(aligning_maps(source, group, input));
  }
  return apply_maps(source, groups, maps);
}

}  // namespace

const MergeMethod& align_merge() {
  static const MergeMethod method = {"align", "heads turned onto each other, then mean pooling", MergeNeeds::kWeights,
                                     true, merge};
  return method;
}

}  // namespace regroup
