// The config fields that decoder-only transformers share, read from GGUF keys and from config.json.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "runtime/file/model_file.h"
#include "runtime/model/json_fields.h"
#include "runtime/model/model_config.h"

namespace regroup {

// Keys <prefix>.block_count, .embedding_length, .feed_forward_length, .attention.head_count[_kv],
// .attention.key_length, .attention.layer_norm_rms_epsilon, .rope.dimension_count, .context_length; vocabulary from
// token_embd.weight. attention_scale = head_dim^-0.5.
ModelConfig read_standard_gguf(const ModelFile& file, std::string_view prefix);

// What a model family takes for absent fields. 0: derive (kv_heads = query heads, also where the field is null;
// head_dim = hidden / query heads).
struct HuggingFaceDefaults {
  float norm_epsilon = 1e-6f;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t context_length = 2048;
};
ModelConfig read_standard_hugging_face(const JsonFields& json, const HuggingFaceDefaults& defaults);

// layer_types: true for "sliding_attention", false for "full_attention", one per layer; nothing when the field is
// absent. Throws kBadModel for another type or another number of them.
std::optional<std::vector<bool>> read_layer_types(const JsonFields& json, std::uint32_t layers);

}  // namespace regroup
