// The biases of a layer as a device takes them: of all three projections or of none.
#pragma once

#include "converter/attention_layer.h"

namespace regroup {

struct LayerBiases {
  Eigen::VectorXf query, key, value;  // [H D], [n D], [n D], or all empty
};

// A projection without a bias beside biased ones adds zero.
LayerBiases complete_biases(const AttentionLayer& layer);

}  // namespace regroup
