// What an output checkpoint will hold, tensor by tensor, and where each comes from: decided and refused before anything
// is written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "converter/checkpoint/file_conventions.h"
#include "runtime/file/tensor_plan.h"
#include "runtime/model/model.h"
#include "runtime/model/tensor_role.h"

namespace regroup {

// How one layer changes.
struct LayerChange {
  std::uint32_t groups = 0;
  bool key_value = false;     // K and V are merged
  bool query_output = false;  // Q and O too
};

struct OutputTensor {
  TensorPlan plan;
  TensorRole role;
  std::uint32_t layer = 0;
  const FileTensor* source = nullptr;  // nullptr: `values`, or the merged layer alone knows it
  bool merged = false;                 // its values come from the merged layer
  bool turned = false;                 // the rows of each head change from one RoPE order to the other
  // value -> (value + add) * scale - subtract
  float add = 0, scale = 1, subtract = 0;
  std::vector<float> values;  // neither in the file nor merged

  // The source's bytes, unchanged.
  bool is_copy() const;
};

struct CheckpointPlan {
  ModelFileKind kind = ModelFileKind::kGguf;
  FileConventions conventions;  // of the output
  std::vector<OutputTensor> tensors;
  std::vector<std::string> notes;  // for the user, one line each
  std::optional<WeightFormat> type;
  bool tied = false;

  std::uint64_t data_bytes() const;
  std::vector<TensorPlan> tensor_plans() const;
};

struct OutputChoice {
  ModelFileKind kind = ModelFileKind::kGguf;
  std::optional<WeightFormat> type;  // of all matrices; nothing: as the source has them, where that can be written
};

// Throws kUsage for a type that cannot be written.
CheckpointPlan plan_checkpoint(const TensorTable& table, const ModelOutline& outline,
                               const std::vector<LayerChange>& changes, const OutputChoice& choice);

}  // namespace regroup
