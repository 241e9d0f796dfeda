// What calibration text says about one layer, small enough to keep: second moments of its inputs, keys and queries.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

namespace regroup {

// d: hidden, n: source KV heads, H: query heads, P: rotary planes. x: the layer's input after its norm, gain included.
struct LayerStatistics {
  std::uint64_t tokens = 0;
  // E[x x^T] over positions as attention weighs them: mean over queries s and heads of sum_t a_st x_t x_t^T. [d, d]
  Eigen::MatrixXd attended_covariance;
  // E[x x^T], each position once. [d, d]
  Eigen::MatrixXd input_covariance;
  // E[x], each position once. [d]
  Eigen::VectorXd input_mean;
  // Per plane: G_jl = E[(k_j - mean)(k_l - mean)^*] of rotated keys as complex numbers, centred per sequence (softmax
  // ignores a constant). P matrices [n, n], Hermitian.
  std::vector<Eigen::MatrixXcd> key_gram;
  // E|q_h,p|^2. [H, P]
  Eigen::MatrixXd query_energy;
};

}  // namespace regroup
