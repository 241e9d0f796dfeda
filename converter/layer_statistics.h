// What calibration text says about one layer, small enough to keep: second moments of its keys, queries and values.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <vector>

namespace regroup {

// H query heads on n KV heads of D dims; P: RoPE planes, U = D - 2 P: dims that RoPE leaves. Keys and queries are those
// that attention compares: biases included, rotated. Everything is a mean over the calibration tokens.
struct LayerStatistics {
  std::uint64_t tokens = 0;
  // E[v v^T] of what attention makes of the values, biases included: v = sum_t a_st (v_1t, .., v_nt), all n value heads
  // seen through each query head; the mean over query heads and query positions s (or evenly spaced ones of these).
  // [n D, n D]
  Eigen::MatrixXd value_gram;
  // Per plane: G_jl = E[(k_j - mean)(k_l - mean)^*] of rotated keys as complex numbers, centred per sequence (softmax
  // ignores a constant). P matrices [n, n], Hermitian.
  std::vector<Eigen::MatrixXcd> key_gram;
  // E|q_h,p|^2. [H, P]
  Eigen::MatrixXd query_energy;
  // E[(k - mean)(k - mean)^T] of the dims that RoPE leaves, centred per sequence. [n U, n U]
  Eigen::MatrixXd unrotated_key_gram;
  // E[q_h q_h^T] of the dims that RoPE leaves. H matrices [U, U]
  std::vector<Eigen::MatrixXd> unrotated_query_gram;
  // E_s[sum_t a_st |W_o,h (v_t - sum_t a_st v_t)|^2]: how much of the layer's output energy an error of head h's logits
  // moves. Only the closed-form merge error and weights of refits need it; may be empty. [H]
  Eigen::VectorXd logit_sensitivity;
};

}  // namespace regroup
