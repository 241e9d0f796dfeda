// Turns the heads of a group onto each other as far as the model's exact freedoms allow (Jin et al. 2024, "Align Heads
// Before Merging", arXiv 2412.20677): unit phases per RoPE plane for keys, orthogonal maps for values.
#pragma once

#include <Eigen/Core>
#include <vector>

namespace regroup {

// Unit phases [m] that make sum_j phase_j k_j as strong as possible, by coordinate ascent from member 0. gram: E[k_j
// k_l^*], [m, m].
Eigen::VectorXcd aligning_phases(const Eigen::MatrixXcd& gram);

// Orthogonal maps that make sum_j R_j z_j as strong as possible (generalised orthogonal Procrustes), by coordinate
// ascent from member 0, whose map stays the identity. gram: E[z z^T] of z = (z_1 .. z_m) of `dim` dims each,
// [m dim, m dim].
std::vector<Eigen::MatrixXd> aligning_rotations(const Eigen::MatrixXd& gram, Eigen::Index dim);

}  // namespace regroup
