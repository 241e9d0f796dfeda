// What of a model stays as it is while its attention weights are trained, as plain f32 matrices on the device: norms,
// feed-forward layers, output matrix, rotary tables.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/training/attention_pass.h"
#include "runtime/model/model_config.h"
#include "runtime/model/tensor_role.h"

namespace regroup {

struct FrozenLayer {
  DeviceWeights gate, up, down;                  // [ff, d], [ff, d], [d, ff]
  BufferView attention_norm, feed_forward_norm;  // [d]
  AttentionSettings attention;
};

class FrozenModel {
 public:
  // Why a model cannot be trained end to end; nothing when it can: layers must be a norm, attention, a norm and a gated
  // product, as llama's and qwen2's are.
  static std::optional<std::string> refusal(const TensorTable& table, const ModelConfig& config);
  // The device memory that its weights take, attention included, as f32.
  static std::uint64_t bytes(const ModelConfig& config);

  // positions: the longest sequence. Only for models that are not refused.
  FrozenModel(Device& device, const KernelProfile& profile, const TensorTable& table, const ModelConfig& config,
              std::uint32_t positions);

  Device& device() const { return device_; }
  const KernelProfile& profile() const { return profile_; }
  const ModelConfig& config() const { return config_; }
  const FrozenLayer& layer(std::uint32_t l) const { return layers_[l]; }
  BufferView final_norm() const { return final_norm_; }
  const DeviceWeights& output() const { return output_; }  // [vocabulary, d]
  // d, or the next chunk of four where the last column is an input that is always 1, for biases.
  std::uint32_t input_columns() const { return input_columns_; }

 private:
  DeviceWeights upload_matrix(const FileTensor& tensor);
  BufferView upload_vector(const FileTensor& tensor);
  BufferView rope_table(const RopeConfig& rope, std::uint32_t positions);

  Device& device_;
  const KernelProfile& profile_;
  const ModelConfig& config_;
  Arena arena_;
  std::vector<FrozenLayer> layers_;
  BufferView final_norm_;
  DeviceWeights output_;
  std::uint32_t input_columns_;
};

}  // namespace regroup
