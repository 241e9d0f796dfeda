// The shared KV head that loses least of a group's heads, in closed form from second moments: rank one per RoPE plane
// for keys, a common subspace of head_dim dims for values.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/head_maps.h"
#include "converter/layer_statistics.h"

namespace regroup {

// m numbers in one plane, k_j ~ out_j kappa, kappa = sum_j in_j k_j.
struct SharedPlane {
  Eigen::VectorXcd in, out;  // [m]
  double error = 0;          // sum_j w_j E|k_j - out_j kappa|^2
};

// Minimises sum_j weights_j E|k_j - out_j kappa|^2 over all in and out. gram: E[k_j k_l^*], Hermitian [m, m]. kappa is
// scaled so that the root mean square of |out| is 1, and turned so that the largest member enters with a real factor.
SharedPlane shared_plane(const Eigen::MatrixXcd& gram, const Eigen::VectorXd& weights);

// m vectors of D dims, z_j ~ out_j y, y = sum_j in_j z_j of D dims.
struct SharedSubspace {
  std::vector<Eigen::MatrixXd> in, out;  // m times [D, D]
  double error = 0;                      // sum_j E[(z_j - out_j y)^T costs_j (z_j - out_j y)]
};

// Minimises the error over all in and out. gram: E[z z^T] of z = (z_1 .. z_m), [m D, m D]; costs: m positive
// semi-definite [D, D]. The parts of y are uncorrelated and equally strong, scaled so that the sum of
// trace(out_j^T costs_j out_j) is that of trace(costs_j). Works on [m D, m D] matrices only.
SharedSubspace shared_subspace(const Eigen::MatrixXd& gram, std::span<const Eigen::MatrixXd> costs);

// The same errors without the maps, which is quicker.
double shared_plane_error(const Eigen::MatrixXcd& gram, const Eigen::VectorXd& weights);
double shared_subspace_error(const Eigen::MatrixXd& gram, std::span<const Eigen::MatrixXd> costs);

// sum of W_o,i^T W_o,i over the query heads of source head `head`: what an error of its values costs. [D, D]
Eigen::MatrixXd value_cost(const AttentionLayer& source, std::uint32_t head);

// The maps of the group of source heads `heads`: keys weighted by E|q|^2, values by their outputs. One head alone keeps
// itself. A layer with qk_norm has no such maps.
GroupMaps shared_head_maps(const AttentionLayer& source, const LayerStatistics& statistics,
                           std::span<const std::uint32_t> heads);
// The same, with value_cost of every head at hand.
GroupMaps shared_head_maps(const AttentionLayer& source, const LayerStatistics& statistics,
                           std::span<const std::uint32_t> heads, std::span<const Eigen::MatrixXd> value_costs);

// Second moments of a group, cut out of those of the layer.
Eigen::MatrixXcd group_plane_gram(const Eigen::MatrixXcd& gram, std::span<const std::uint32_t> heads);
Eigen::MatrixXd group_gram(const Eigen::MatrixXd& gram, std::span<const std::uint32_t> heads, Eigen::Index dim);
// sum of E|q_h,p|^2 over the query heads of each head, [m].
Eigen::VectorXd plane_weights(const AttentionLayer& source, const LayerStatistics& statistics, Eigen::Index plane,
                              std::span<const std::uint32_t> heads);
// sum of E[q q^T] of the dims that RoPE leaves over the query heads of `head`, [U, U].
Eigen::MatrixXd unrotated_key_cost(const AttentionLayer& source, const LayerStatistics& statistics, std::uint32_t head);

}  // namespace regroup
