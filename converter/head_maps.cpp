#include "converter/head_maps.h"

#include "converter/merge.h"
#include "runtime/core/error.h"

namespace regroup {
namespace {

Eigen::MatrixXd head_rows(const WeightRows& heads, std::uint32_t head, Eigen::Index head_dim) {
  return heads.middleRows(head * head_dim, head_dim).cast<double>();
}

Eigen::MatrixXd head_rows(const Eigen::VectorXf& heads, std::uint32_t head, Eigen::Index head_dim) {
  return heads.segment(head * head_dim, head_dim).cast<double>();
}

// Shared keys of every group from weights or a bias.
template <typename Heads>
Heads shared_keys(const Heads& heads, const HeadGroups& groups, std::span<const GroupMaps> maps, Eigen::Index dim) {
  Heads out(groups.count() * dim, heads.cols());
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(dim, heads.cols());
    for (std::size_t j = 0; j < maps[g].size(); ++j) {
      sum += mapped_rows(maps[g][j].key_planes, maps[g][j].key_rest, head_rows(heads, groups.groups[g][j], dim));
    }
    out.middleRows(g * dim, dim) = sum.template cast<float>();
  }
  return out;
}

template <typename Heads>
Heads shared_values(const Heads& heads, const HeadGroups& groups, std::span<const GroupMaps> maps, Eigen::Index dim) {
  Heads out(groups.count() * dim, heads.cols());
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(dim, heads.cols());
    for (std::size_t j = 0; j < maps[g].size(); ++j) {
      sum.noalias() += maps[g][j].value * head_rows(heads, groups.groups[g][j], dim);
    }
    out.middleRows(g * dim, dim) = sum.template cast<float>();
  }
  return out;
}

}  // namespace

HeadMap HeadMap::identity(std::uint32_t head_dim, std::uint32_t rotary_dims) {
  const Eigen::Index planes = rotary_dims / 2, rest = head_dim - rotary_dims;
  return {.key_planes = Eigen::VectorXcd::Ones(planes),
          .query_planes = Eigen::VectorXcd::Ones(planes),
          .key_rest = Eigen::MatrixXd::Identity(rest, rest),
          .query_rest = Eigen::MatrixXd::Identity(rest, rest),
          .value = Eigen::MatrixXd::Identity(head_dim, head_dim),
          .output = Eigen::MatrixXd::Identity(head_dim, head_dim)};
}

Eigen::MatrixXd mapped_rows(const Eigen::VectorXcd& planes, const Eigen::MatrixXd& rest, const Eigen::MatrixXd& rows) {
  REGROUP_CHECK(2 * planes.size() + rest.rows() == rows.rows());
  Eigen::MatrixXd out(rows.rows(), rows.cols());
  for (Eigen::Index p = 0; p < planes.size(); ++p) {
    const double re = planes[p].real(), im = planes[p].imag();
    out.row(2 * p) = re * rows.row(2 * p) - im * rows.row(2 * p + 1);
    out.row(2 * p + 1) = im * rows.row(2 * p) + re * rows.row(2 * p + 1);
  }
  out.bottomRows(rest.rows()).noalias() = rest * rows.bottomRows(rest.rows());
  return out;
}

AttentionLayer apply_maps(const AttentionLayer& source, const HeadGroups& groups, std::span<const GroupMaps> maps) {
  REGROUP_CHECK(maps.size() == groups.count() && groups.kv_heads() == source.kv_heads);
  const Eigen::Index dim = source.head_dim;
  AttentionLayer out = with_query_order(source, groups);
  out.kv_heads = groups.count();
  out.key = shared_keys(source.key, groups, maps, dim);
  out.value = shared_values(source.value, groups, maps, dim);
  if (source.key_bias.size() > 0) out.key_bias = shared_keys(source.key_bias, groups, maps, dim);
  if (source.value_bias.size() > 0) out.value_bias = shared_values(source.value_bias, groups, maps, dim);
  std::uint32_t query_head = 0;  // in the merged order
  for (const GroupMaps& group : maps) {
    for (const HeadMap& map : group) {
      for (std::uint32_t i = 0; i < source.queries_per_kv_head(); ++i, ++query_head) {
        const Eigen::Index at = query_head * dim;
        out.query.middleRows(at, dim) =
            mapped_rows(map.query_planes, map.query_rest, head_rows(out.query, query_head, dim)).cast<float>();
        if (out.query_bias.size() > 0) {
          out.query_bias.segment(at, dim) =
              mapped_rows(map.query_planes, map.query_rest, head_rows(out.query_bias, query_head, dim)).cast<float>();
        }
        const Eigen::MatrixXd columns = out.output.middleCols(at, dim).cast<double>();
        out.output.middleCols(at, dim) = (columns * map.output).cast<float>();
      }
    }
  }
  return out;
}

}  // namespace regroup
