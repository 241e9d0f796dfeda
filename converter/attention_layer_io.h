// Attention layers out of checkpoints, and back into the convention of a checkpoint.
#pragma once

#include <cstdint>
#include <vector>

#include "converter/attention_layer.h"
#include "runtime/model/model_config.h"
#include "runtime/model/tensor_role.h"
#include "runtime/ops/rope_store.h"

namespace regroup {

// One tensor decoded to floats. A vector that is not there is empty.
WeightRows read_matrix(const FileTensor& tensor);
Eigen::VectorXf read_vector(const FileTensor* tensor);

// The sizes and properties of a layer, without its weights.
AttentionLayer attention_shape(const TensorTable& table, const ModelConfig& config, std::uint32_t layer);

// Decoded to floats, Q and K rows (and their biases) in interleaved order whatever the file has.
AttentionLayer read_attention_layer(const TensorTable& table, const ModelConfig& config, std::uint32_t layer);

// The same without the queries' and the output's tensors: enough for methods that only pool contiguous heads.
AttentionLayer read_keys_and_values(const TensorTable& table, const ModelConfig& config, std::uint32_t layer);

// The seven tensors that a merge may change.
bool is_attention_tensor(TensorRole role);

// One of those tensors as rows of floats in a file of the given row order. Empty when the layer has no such bias.
struct TensorValues {
  std::uint64_t rows = 0, columns = 0;  // a vector: one row
  std::vector<float> values;
};
TensorValues tensor_values(const AttentionLayer& layer, TensorRole role, RopeLayout rows);

}  // namespace regroup
