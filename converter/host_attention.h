// One attention layer in double precision on the host, straight from its equations, and the calibration statistics that
// follow: the reference of what the device computes, and enough for small layers.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <span>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/layer_statistics.h"

namespace regroup {

// One sequence seen by a layer, positions 0 .. T - 1.
struct HostAttention {
  Eigen::MatrixXd queries;                     // [T, H D], biased and rotated
  Eigen::MatrixXd keys;                        // [T, n D], biased and rotated
  Eigen::MatrixXd values;                      // [T, n D], biased
  std::vector<Eigen::MatrixXd> probabilities;  // H times [T, T]: row s is what position s attends to
  Eigen::MatrixXd heads;                       // [T, H D]: what attention makes of the values
  Eigen::MatrixXd output;                      // [T, d]: heads W_o^T
};

// inputs: [T, d], after the layer's norm, gain included. rope_table: at least T rows of rotary_dims / 2 pairs (cos,
// sin), as make_rope_table gives them. window: how many positions a query sees (0: all before it and its own). Layers
// with qk_norm are refused: an AttentionLayer does not hold the norms' gains.
HostAttention attend_on_host(const AttentionLayer& layer, const Eigen::MatrixXd& inputs,
                             std::span<const float> rope_table, std::uint32_t window = 0);

// Causal softmax of one head: row s of queries [T, D] against keys [T, D], `window` as above. [T, T]
Eigen::MatrixXd attention_probabilities(const Eigen::MatrixXd& queries, const Eigen::MatrixXd& keys, double scale,
                                        std::uint32_t window);

// All statistics of `layer` over the sequences, sensitivities included.
LayerStatistics statistics_on_host(const AttentionLayer& layer, std::span<const HostAttention> sequences);

}  // namespace regroup
