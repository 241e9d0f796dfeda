// Turns a validated file into device weights: shapes first, then upload in file-friendly order with progress.
#pragma once

#include "runtime/core/progress.h"
#include "runtime/model/architecture.h"
#include "runtime/model/model.h"
#include "runtime/model/row_sources.h"

namespace regroup {

// Throws kBadModel unless every tensor of the table has the shape that the config asks for (biases come all or none per
// projection).
void check_shapes(const TensorTable& table, const ModelConfig& config);

class ModelLoader {
 public:
  // `model` has the config of the part, `table` the tensors of the whole file.
  ModelLoader(Model& model, const TensorTable& table, const ModelPart& part, const Progress& progress,
              const CancelFlag* cancel);
  void load();

 private:
  LayerWeights load_layer(std::uint32_t l);
  void load_attention_input(std::uint32_t l, LayerWeights& weights);
  void load_feed_forward(std::uint32_t l, LayerWeights& weights);
  WeightMatrix upload_tensor(const FileTensor& tensor);
  WeightMatrix upload_rows(const RowSource& rows, WeightFormat format, std::uint64_t row_count, std::uint64_t columns,
                           const std::string& name);
  BufferView upload_vector(const std::vector<float>& values, const std::string& name);
  BufferView upload_norm(const FileTensor* tensor);
  std::vector<float> rotated(const FileTensor* tensor, std::uint32_t heads) const;
  void done_with(std::initializer_list<const FileTensor*> tensors);

  Model& model_;
  const TensorTable& table_;
  const ModelConfig& config_;
  const ModelPart part_;
  const Progress& progress_;
  const CancelFlag* cancel_;
  std::uint64_t bytes_done_ = 0;
  std::uint64_t bytes_total_ = 0;
};

}  // namespace regroup
