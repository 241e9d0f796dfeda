// One row per supported architecture: how to read its config, what its tensors are called, and how one step is
// recorded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file/model_file.h"
#include "runtime/model/model_config.h"
#include "runtime/model/tensor_role.h"

namespace regroup {

struct Step;

struct Architecture {
  std::string_view name;                             // also GGUF's general.architecture
  std::vector<std::string_view> hugging_face_types;  // config.json model_type
  ModelConfig (*read_gguf)(const ModelFile& file);
  ModelConfig (*read_hugging_face)(const ModelFile& file);
  const std::vector<TensorName>& (*tensor_names)();
  // What layer l does to the residual stream; a whole step is record_step() of step.h.
  void (*record_layer)(const Step& step, std::uint32_t l);
};

// All rows of architectures.def.
const std::vector<const Architecture*>& architectures();

// The architecture of `file`; throws kBadModel naming what was found and what is known.
const Architecture& architecture_of(const ModelFile& file);

}  // namespace regroup
