#include "converter/shared_head.h"

#include <Eigen/Eigenvalues>
#include <cmath>
#include <complex>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// Eigenvalues below this share of the largest are taken for rounding noise: moments may have been summed in float.
constexpr double kNoise = 1e-9;

// R with R^T R = cost.
Eigen::MatrixXd square_root(const Eigen::MatrixXd& cost) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(cost);
  return eigen.eigenvalues().cwiseMax(0.0).cwiseSqrt().asDiagonal() * eigen.eigenvectors().transpose();
}

std::vector<Eigen::MatrixXd> square_roots(std::span<const Eigen::MatrixXd> costs) {
  std::vector<Eigen::MatrixXd> roots;
  for (const Eigen::MatrixXd& cost : costs) roots.push_back(square_root(cost));
  return roots;
}

// The gram of R_j z_j.
Eigen::MatrixXd weighted_gram(const Eigen::MatrixXd& gram, std::span<const Eigen::MatrixXd> roots) {
  const Eigen::Index dim = roots.front().rows(), count = static_cast<Eigen::Index>(roots.size());
  Eigen::MatrixXd out(gram.rows(), gram.cols());
  for (Eigen::Index l = 0; l < count; ++l) {
    const Eigen::MatrixXd right = gram.middleCols(l * dim, dim) * roots[static_cast<std::size_t>(l)].transpose();
    for (Eigen::Index j = 0; j < count; ++j) {
      out.block(j * dim, l * dim, dim, dim).noalias() =
          roots[static_cast<std::size_t>(j)] * right.middleRows(j * dim, dim);
    }
  }
  return out;
}

Eigen::MatrixXcd weighted_gram(const Eigen::MatrixXcd& gram, const Eigen::VectorXd& roots) {
  return roots.asDiagonal() * gram * roots.asDiagonal();
}

}  // namespace

SharedPlane shared_plane(const Eigen::MatrixXcd& gram, const Eigen::VectorXd& weights) {
  const Eigen::Index count = weights.size();
  REGROUP_CHECK(gram.rows() == count && gram.cols() == count && count > 0);
  // Heads whose queries never use this plane may have any key there; equal weights then keep the strongest.
  const Eigen::VectorXd used = weights.maxCoeff() > 0 ? weights : Eigen::VectorXd::Ones(count);
  const Eigen::VectorXd roots = used.cwiseMax(0.0).cwiseSqrt();
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> eigen(weighted_gram(gram, roots));
  const double top = eigen.eigenvalues()[count - 1];
  SharedPlane plane;
  if (!(top > 0)) {  // no keys at all
    plane.in = Eigen::VectorXcd::Constant(count, 1.0 / static_cast<double>(count));
    plane.out = Eigen::VectorXcd::Ones(count);
    return plane;
  }
  Eigen::VectorXcd u = eigen.eigenvectors().col(count - 1);
  Eigen::Index largest = 0;
  u.cwiseAbs().maxCoeff(&largest);
  u *= std::conj(u[largest]) / std::abs(u[largest]);
  plane.in = u.conjugate().cwiseProduct(roots);
  // The best factor of every member, whatever its weight: E[k_j kappa^*] / E|kappa|^2, and E|kappa|^2 = top.
  plane.out = gram * roots.cwiseProduct(u) / top;
  const double scale = plane.out.norm() / std::sqrt(static_cast<double>(count));
  plane.in *= scale;
  plane.out /= scale;
  plane.error = eigen.eigenvalues().head(count - 1).cwiseMax(0.0).sum();
  return plane;
}

double shared_plane_error(const Eigen::MatrixXcd& gram, const Eigen::VectorXd& weights) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXcd> eigen(weighted_gram(gram, weights.cwiseMax(0.0).cwiseSqrt()),
                                                              Eigen::EigenvaluesOnly);
  return eigen.eigenvalues().head(weights.size() - 1).cwiseMax(0.0).sum();
}

SharedSubspace shared_subspace(const Eigen::MatrixXd& gram, std::span<const Eigen::MatrixXd> costs) {
  const Eigen::Index dim = costs.front().rows(), all = gram.rows();
  REGROUP_CHECK(gram.cols() == all && all == dim * static_cast<Eigen::Index>(costs.size()));
  const std::vector<Eigen::MatrixXd> roots = square_roots(costs);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(weighted_gram(gram, roots));
  const Eigen::VectorXd& values = eigen.eigenvalues();  // ascending
  Eigen::MatrixXd u = eigen.eigenvectors().rightCols(dim);
  Eigen::VectorXd unit(dim);  // 1 / sigma: makes the parts of y unit strong; 0 where there is nothing
  for (Eigen::Index i = 0; i < dim; ++i) {
    Eigen::Index largest = 0;
    u.col(i).cwiseAbs().maxCoeff(&largest);
    if (u(largest, i) < 0) u.col(i) = -u.col(i);
    const double value = values[all - dim + i];
    unit[i] = value > kNoise * values[all - 1] && value > 0 ? 1 / std::sqrt(value) : 0;
  }

  SharedSubspace out;
  out.error = values.head(all - dim).cwiseMax(0.0).sum();
  Eigen::MatrixXd in(dim, all);  // [in_1 .. in_m]
  for (std::size_t j = 0; j < roots.size(); ++j) {
    const Eigen::Index at = static_cast<Eigen::Index>(j) * dim;
    in.middleCols(at, dim).noalias() = unit.asDiagonal() * u.middleRows(at, dim).transpose() * roots[j];
  }
  // E[z y^T], and E[y y^T] is the identity: the best out whatever the costs.
  const Eigen::MatrixXd outs = gram * in.transpose();
  double before = 0, after = 0;
  for (std::size_t j = 0; j < roots.size(); ++j) {
    before += costs[j].trace();
    after += (roots[j] * outs.middleRows(static_cast<Eigen::Index>(j) * dim, dim)).squaredNorm();
  }
  const double scale = after > 0 && before > 0 ? std::sqrt(after / before) : 1;
  for (std::size_t j = 0; j < roots.size(); ++j) {
    const Eigen::Index at = static_cast<Eigen::Index>(j) * dim;
    out.in.push_back(scale * in.middleCols(at, dim));
    out.out.push_back(outs.middleRows(at, dim) / scale);
  }
  return out;
}

double shared_subspace_error(const Eigen::MatrixXd& gram, std::span<const Eigen::MatrixXd> costs) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(weighted_gram(gram, square_roots(costs)),
                                                             Eigen::EigenvaluesOnly);
  return eigen.eigenvalues().head(gram.rows() - costs.front().rows()).cwiseMax(0.0).sum();
}

Eigen::MatrixXd value_cost(const AttentionLayer& source, std::uint32_t head) {
  const Eigen::Index dim = source.head_dim, r = source.queries_per_kv_head();
  Eigen::MatrixXd cost = Eigen::MatrixXd::Zero(dim, dim);
  for (Eigen::Index i = head * r; i < (head + 1) * r; ++i) {
    const Eigen::MatrixXd columns = source.output.middleCols(i * dim, dim).cast<double>();
    cost.noalias() += columns.transpose() * columns;
  }
  return cost;
}

Eigen::MatrixXcd group_plane_gram(const Eigen::MatrixXcd& gram, std::span<const std::uint32_t> heads) {
  const Eigen::Index count = static_cast<Eigen::Index>(heads.size());
  Eigen::MatrixXcd out(count, count);
  for (Eigen::Index l = 0; l < count; ++l) {
    for (Eigen::Index j = 0; j < count; ++j) {
      out(j, l) = gram(heads[static_cast<std::size_t>(j)], heads[static_cast<std::size_t>(l)]);
    }
  }
  return out;
}

Eigen::MatrixXd group_gram(const Eigen::MatrixXd& gram, std::span<const std::uint32_t> heads, Eigen::Index dim) {
  const Eigen::Index count = static_cast<Eigen::Index>(heads.size());
  Eigen::MatrixXd out(count * dim, count * dim);
  for (Eigen::Index l = 0; l < count; ++l) {
    for (Eigen::Index j = 0; j < count; ++j) {
      out.block(j * dim, l * dim, dim, dim) =
          gram.block(heads[static_cast<std::size_t>(j)] * dim, heads[static_cast<std::size_t>(l)] * dim, dim, dim);
    }
  }
  return out;
}

Eigen::VectorXd plane_weights(const AttentionLayer& source, const LayerStatistics& statistics, Eigen::Index plane,
                              std::span<const std::uint32_t> heads) {
  const Eigen::Index r = source.queries_per_kv_head();
  Eigen::VectorXd weights(static_cast<Eigen::Index>(heads.size()));
  for (std::size_t j = 0; j < heads.size(); ++j) {
    weights[static_cast<Eigen::Index>(j)] = statistics.query_energy.col(plane).segment(heads[j] * r, r).sum();
  }
  return weights;
}

Eigen::MatrixXd unrotated_key_cost(const AttentionLayer& source, const LayerStatistics& statistics,
                                   std::uint32_t head) {
  const std::uint32_t r = source.queries_per_kv_head();
  REGROUP_CHECK(statistics.unrotated_query_gram.size() == source.query_heads);
  Eigen::MatrixXd cost = statistics.unrotated_query_gram[head * r];
  for (std::uint32_t i = head * r + 1; i < (head + 1) * r; ++i) cost += statistics.unrotated_query_gram[i];
  return cost;
}

GroupMaps shared_head_maps(const AttentionLayer& source, const LayerStatistics& statistics,
                           std::span<const std::uint32_t> heads) {
  std::vector<Eigen::MatrixXd> value_costs;
  for (const std::uint32_t head : heads) value_costs.push_back(value_cost(source, head));
  return shared_head_maps(source, statistics, heads, value_costs);
}

GroupMaps shared_head_maps(const AttentionLayer& source, const LayerStatistics& statistics,
                           std::span<const std::uint32_t> heads, std::span<const Eigen::MatrixXd> value_costs) {
  const Eigen::Index dim = source.head_dim, planes = source.rotary_dims / 2, rest = dim - 2 * planes;
  const Eigen::Index n = source.kv_heads;
  REGROUP_CHECK(!source.qk_norm && statistics.value_gram.rows() == n * dim && statistics.value_gram.cols() == n * dim);
  REGROUP_CHECK(statistics.key_gram.size() == static_cast<std::size_t>(planes));
  REGROUP_CHECK(planes == 0 ||
                (statistics.query_energy.rows() == source.query_heads && statistics.query_energy.cols() == planes));
  REGROUP_CHECK(statistics.unrotated_key_gram.rows() == n * rest);
  GroupMaps maps(heads.size(), HeadMap::identity(source.head_dim, source.rotary_dims));
  if (heads.size() == 1) return maps;
  for (Eigen::Index p = 0; p < planes; ++p) {
    const SharedPlane plane = shared_plane(group_plane_gram(statistics.key_gram[static_cast<std::size_t>(p)], heads),
                                           plane_weights(source, statistics, p, heads));
    for (std::size_t j = 0; j < heads.size(); ++j) {
      maps[j].key_planes[p] = plane.in[static_cast<Eigen::Index>(j)];
      maps[j].query_planes[p] = std::conj(plane.out[static_cast<Eigen::Index>(j)]);
    }
  }
  if (rest > 0) {
    std::vector<Eigen::MatrixXd> costs;
    for (const std::uint32_t head : heads) costs.push_back(unrotated_key_cost(source, statistics, head));
    SharedSubspace keys = shared_subspace(group_gram(statistics.unrotated_key_gram, heads, rest), costs);
    for (std::size_t j = 0; j < heads.size(); ++j) {
      maps[j].key_rest = std::move(keys.in[j]);
      maps[j].query_rest = keys.out[j].transpose();
    }
  }
  REGROUP_CHECK(value_costs.size() == heads.size());
  SharedSubspace values = shared_subspace(group_gram(statistics.value_gram, heads, dim), value_costs);
  for (std::size_t j = 0; j < heads.size(); ++j) {
    maps[j].value = std::move(values.in[j]);
    maps[j].output = std::move(values.out[j]);
  }
  return maps;
}

}  // namespace regroup
