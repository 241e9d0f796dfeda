// config.json says which optional tensors a checkpoint has. One that says something else than its tensors do would
// decode into other text than transformers computes from it: it is refused.
#pragma once

#include "runtime/model/architecture.h"
#include "runtime/model/tensor_role.h"

namespace regroup {

// Of a Hugging Face directory: attention_bias, mlp_bias, tie_word_embeddings, quantization_config. Throws kBadModel
// naming the field and the tensor.
void check_stated_tensors(const TensorTable& table, const Architecture& architecture, std::uint32_t layers);

}  // namespace regroup
