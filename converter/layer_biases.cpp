#include "converter/layer_biases.h"

namespace regroup {

LayerBiases complete_biases(const AttentionLayer& layer) {
  LayerBiases out{layer.query_bias, layer.key_bias, layer.value_bias};
  if (out.query.size() == 0 && out.key.size() == 0 && out.value.size() == 0) return out;
  const auto complete = [](Eigen::VectorXf& bias, const WeightRows& weights) {
    if (bias.size() == 0) bias = Eigen::VectorXf::Zero(weights.rows());
  };
  complete(out.query, layer.query);
  complete(out.key, layer.key);
  complete(out.value, layer.value);
  return out;
}

}  // namespace regroup
