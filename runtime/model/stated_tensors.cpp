#include "runtime/model/stated_tensors.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/model/json_fields.h"

namespace regroup {
namespace {

using Role = TensorRole;

// `key` is true exactly where the file has the tensors of `roles`.
void check_flag(const TensorTable& table, const Architecture& architecture, std::uint32_t layers,
                const JsonFields& json, std::string_view key, std::initializer_list<Role> roles) {
  // Mistral's layers have no biases, whatever its file says.
  const bool stated = json.find_bool(key).value_or(false) && json.find_string("model_type") != "mistral";
  bool known = false;
  for (const TensorName& row : architecture.tensor_names()) {
    if (std::find(roles.begin(), roles.end(), row.role) == roles.end()) continue;
    known = true;
    if (row.required) continue;  // there whatever the flag says, as Qwen 2's are
    for (std::uint32_t l = 0; l < layers; ++l) {
      const bool found = table.find(row.role, l) != nullptr;
      if (found == stated) continue;
      json.refuse(key, fmt::format("is {}true, but tensor '{}' is {}", stated ? "" : "not ",
                                   tensor_name(row, ModelFileKind::kHuggingFace, l), found ? "there" : "missing"));
    }
  }
  if (stated && !known) json.refuse(key, "is true; this architecture is supported without those biases");
}

}  // namespace

void check_stated_tensors(const TensorTable& table, const Architecture& architecture, std::uint32_t layers) {
  const JsonFields json = JsonFields::config_of(table.file());
  if (const auto quantised = json.find_object("quantization_config")) {
    json.refuse(
        "quantization_config",
        fmt::format("is set ('{}'): weights are read as F32, F16 and BF16; use the original model or a GGUF file",
                    escaped(quantised->find_string("quant_method").value_or("unnamed"), 40)));
  }
  check_flag(table, architecture, layers, json, "attention_bias",
             {Role::kQueryBias, Role::kKeyBias, Role::kValueBias, Role::kAttentionOutputBias});
  check_flag(table, architecture, layers, json, "mlp_bias", {Role::kGateBias, Role::kUpBias, Role::kDownBias});
  if (json.find_bool("tie_word_embeddings") == false && table.find(Role::kOutput) == nullptr) {
    json.refuse("tie_word_embeddings", "is false, but tensor 'lm_head.weight' is missing");
  }
}

}  // namespace regroup
