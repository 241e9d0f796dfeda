#include "runtime/model/standard_config.h"

#include <cmath>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"

namespace regroup {
namespace {

// A layer count is used for allocation right away, before check_config sees the whole.
constexpr std::uint32_t kMaxLayers = 1024;

void derive(ModelConfig& config) {
  config.attention_scale = config.head_dim == 0 ? 1.0f : static_cast<float>(1.0 / std::sqrt(config.head_dim));
}

// A number that some writers give once and others once per layer; only equal ones are supported.
std::uint32_t same_in_all_layers(const GgufMetadata& metadata, const std::string& key, std::uint32_t layers) {
  if (!metadata.is_array(key)) return metadata.get_u32(key);
  const auto values = metadata.get_u32s(key);
  if (values.size() != layers) metadata.refuse(key, fmt::format("has {} values for {} layers", values.size(), layers));
  for (const std::uint32_t value : values) {
    if (value != values[0]) {
      metadata.refuse(key,
                      fmt::format("has layers with {} and with {}; only equal ones are supported", values[0], value));
    }
  }
  return values[0];
}

// What a number is called that follows from two others.
std::string quotient(const std::string& dividend, const std::string& divisor) {
  return fmt::format("{} over {}", dividend, divisor);
}

ConfigKeys gguf_keys(const GgufMetadata& metadata, std::string_view prefix) {
  const auto shown = [&](std::string_view name) { return GgufMetadata::shown(fmt::format("{}.{}", prefix, name)); };
  const auto given = [&](std::string_view name) { return metadata.contains(fmt::format("{}.{}", prefix, name)); };
  ConfigKeys keys;
  keys.layers = shown("block_count");
  keys.hidden = shown("embedding_length");
  keys.feed_forward = shown("feed_forward_length");
  keys.vocabulary = "the number of rows of tensor 'token_embd.weight'";
  keys.query_heads = shown("attention.head_count");
  keys.kv_heads = shown("attention.head_count_kv");
  keys.head_dim =
      given("attention.key_length") ? shown("attention.key_length") : quotient(keys.hidden, keys.query_heads);
  keys.rotary_dims = given("rope.dimension_count") ? shown("rope.dimension_count") : keys.head_dim;
  keys.context_length = shown("context_length");
  keys.norm_epsilon = shown("attention.layer_norm_rms_epsilon");
  keys.final_soft_cap = shown("final_logit_softcapping");
  return keys;
}

// What regroup writes where layers differ; DeciLM's configuration has the same name for it.
constexpr std::string_view kHeadsPerLayer = "num_key_value_heads_per_layer";

ConfigKeys hugging_face_keys(const JsonFields& json, const HuggingFaceDefaults& defaults) {
  const bool has_head_dim = defaults.head_dim != 0 || json.find_u32("head_dim");
  const std::string kv_heads = json.shown("num_key_value_heads");
  ConfigKeys keys;
  keys.layers = json.shown("num_hidden_layers");
  keys.hidden = json.shown("hidden_size");
  keys.feed_forward = json.shown("intermediate_size");
  keys.vocabulary = json.shown("vocab_size");
  keys.query_heads = json.shown("num_attention_heads");
  keys.kv_heads = json.find_u32s(kHeadsPerLayer)         ? json.shown(kHeadsPerLayer)
                  : json.contains("num_key_value_heads") ? kv_heads
                                                         : "the default of " + kv_heads;
  keys.head_dim = has_head_dim ? json.shown("head_dim") : quotient(keys.hidden, keys.query_heads);
  keys.rotary_dims = json.contains("partial_rotary_factor")
                         ? fmt::format("{} of {}", json.shown("partial_rotary_factor"), keys.head_dim)
                         : keys.head_dim;
  keys.context_length = json.shown("max_position_embeddings");
  keys.norm_epsilon = json.shown("rms_norm_eps");
  keys.final_soft_cap = json.shown("final_logit_softcapping");
  return keys;
}

}  // namespace

ModelConfig read_standard_gguf(const ModelFile& file, std::string_view prefix) {
  const GgufMetadata& metadata = file.metadata();
  const auto key = [&](std::string_view name) { return fmt::format("{}.{}", prefix, name); };
  ModelConfig config;
  config.name = escaped(metadata.find_string("general.name").value_or(""));
  const std::uint32_t layers = metadata.get_u32(key("block_count"));
  if (layers == 0 || layers > kMaxLayers)
    metadata.refuse(key("block_count"), fmt::format("is {}, expected 1 to {}", layers, kMaxLayers));
  // Both would be ignored silently.
  if (const auto experts = metadata.find_u32(key("expert_count")); experts.value_or(0) > 0) {
    metadata.refuse(key("expert_count"), fmt::format("is {}; mixtures of experts are not supported", *experts));
  }
  if (!metadata.find_bool(key("attention.causal")).value_or(true)) {
    metadata.refuse(key("attention.causal"), "is false; only causal attention is supported");
  }
  config.keys = gguf_keys(metadata, prefix);
  config.hidden = metadata.get_u32(key("embedding_length"));
  config.context_length = metadata.get_u32(key("context_length"));
  config.feed_forward = same_in_all_layers(metadata, key("feed_forward_length"), layers);
  config.query_heads = same_in_all_layers(metadata, key("attention.head_count"), layers);
  if (config.query_heads == 0) metadata.refuse(key("attention.head_count"), "is 0");
  config.norm_epsilon = metadata.get_f32(key("attention.layer_norm_rms_epsilon"));
  config.head_dim = metadata.find_u32(key("attention.key_length")).value_or(config.hidden / config.query_heads);
  const std::uint32_t value_length = metadata.find_u32(key("attention.value_length")).value_or(config.head_dim);
  if (value_length != config.head_dim) {
    metadata.refuse(key("attention.value_length"),
                    fmt::format("is {}, keys have {}; equal lengths are supported", value_length, config.head_dim));
  }
  config.rotary_dims = metadata.find_u32(key("rope.dimension_count")).value_or(config.head_dim);

  const std::string heads_key = key("attention.head_count_kv");
  config.layers.resize(layers);
  if (metadata.is_array(heads_key)) {
    const auto heads = metadata.get_u32s(heads_key);
    if (heads.size() != layers)
      metadata.refuse(heads_key, fmt::format("has {} values for {} layers", heads.size(), layers));
    for (std::uint32_t l = 0; l < layers; ++l) config.layers[l].kv_heads = heads[l];
  } else {
    const std::uint32_t heads = metadata.find_u32(heads_key).value_or(config.query_heads);
    for (LayerConfig& layer : config.layers) layer.kv_heads = heads;
  }
  const FileTensor* embedding = file.find("token_embd.weight");
  if (embedding == nullptr) {
    bad_file(file.path().string(), "tensor 'token_embd.weight' is missing");
  }
  if (embedding->rows() > 0xffffffffu) {
    bad_file(file.path().string(), "tensor 'token_embd.weight' has {} rows", embedding->rows());
  }
  config.vocabulary = static_cast<std::uint32_t>(embedding->rows());
  if (const auto stated = metadata.find_u32(key("vocab_size")); stated && *stated != config.vocabulary) {
    metadata.refuse(key("vocab_size"),
                    fmt::format("is {}, but tensor 'token_embd.weight' has {} rows", *stated, config.vocabulary));
  }
  derive(config);
  return config;
}

ModelConfig read_standard_hugging_face(const JsonFields& json, const HuggingFaceDefaults& defaults) {
  ModelConfig config;
  config.name = escaped(json.find_string("_name_or_path").value_or(""));
  const std::uint32_t layers = json.get_u32("num_hidden_layers");
  if (layers == 0 || layers > kMaxLayers)
    json.refuse("num_hidden_layers", fmt::format("is {}, expected 1 to {}", layers, kMaxLayers));
  config.keys = hugging_face_keys(json, defaults);
  config.hidden = json.get_u32("hidden_size");
  config.feed_forward = json.get_u32("intermediate_size");
  config.vocabulary = json.get_u32("vocab_size");
  config.query_heads = json.get_u32("num_attention_heads");
  if (config.query_heads == 0) json.refuse("num_attention_heads", "is 0");
  config.context_length = json.u32_or("max_position_embeddings", defaults.context_length);
  config.norm_epsilon = json.f32_or("rms_norm_eps", defaults.norm_epsilon);
  config.head_dim = json.find_u32("head_dim")
                        .value_or(defaults.head_dim != 0 ? defaults.head_dim : config.hidden / config.query_heads);
  const double partial = json.find_number("partial_rotary_factor").value_or(1.0);
  if (!(partial >= 0 && partial <= 1)) json.refuse("partial_rotary_factor", "is not between 0 and 1");
  config.rotary_dims = static_cast<std::uint32_t>(config.head_dim * partial);
  config.layers.resize(layers);
  const bool derived = defaults.kv_heads == 0 || json.contains("num_key_value_heads");  // null: derive
  const std::uint32_t heads =
      json.find_u32("num_key_value_heads").value_or(derived ? config.query_heads : defaults.kv_heads);
  for (LayerConfig& layer : config.layers) layer.kv_heads = heads;
  if (const auto of_layers = json.find_u32s(kHeadsPerLayer)) {
    if (of_layers->size() != layers) {
      json.refuse(kHeadsPerLayer, fmt::format("has {} values for {} layers", of_layers->size(), layers));
    }
    for (std::uint32_t l = 0; l < layers; ++l) config.layers[l].kv_heads = (*of_layers)[l];
  }
  derive(config);
  return config;
}

std::optional<std::vector<bool>> read_layer_types(const JsonFields& json, std::uint32_t layers) {
  const auto types = json.find_strings("layer_types");
  if (!types) return std::nullopt;
  if (types->size() != layers) json.refuse("layer_types", "does not name every layer");
  std::vector<bool> slides;
  for (const std::string& type : *types) {
    if (type != "sliding_attention" && type != "full_attention") {
      json.refuse("layer_types", fmt::format("names an unknown type '{}'", escaped(type)));
    }
    slides.push_back(type == "sliding_attention");
  }
  return slides;
}

}  // namespace regroup
