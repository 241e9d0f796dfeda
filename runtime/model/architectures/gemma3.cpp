// Gemma 3 text models (Gemma team 2025): scaled embedding, RMSNorm before and after each block, QK-norm, sliding-window
// layers with a rotary base of their own between full layers, GeGLU.
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/file/model_file.h"
#include "runtime/model/architecture.h"
#include "runtime/model/json_fields.h"
#include "runtime/model/rope_config.h"
#include "runtime/model/standard_config.h"
#include "runtime/model/step.h"
#include "runtime/ops/rms_norm.h"

namespace regroup {
namespace {

constexpr std::uint32_t kDefaultPattern = 6;  // every sixth layer attends to everything

void set_windows(ModelConfig& config, std::uint32_t window, const std::vector<bool>& slides) {
  for (std::size_t l = 0; l < config.layers.size(); ++l) {
    config.layers[l].window = slides[l] ? window : 0;
    config.layers[l].local_rope = slides[l];
  }
}

std::vector<bool> periodic(std::size_t layers, std::uint32_t pattern) {
  std::vector<bool> slides(layers);
  for (std::size_t l = 0; l < layers; ++l) slides[l] = pattern == 0 || (l + 1) % pattern != 0;
  return slides;
}

void set_common(ModelConfig& config) {
  config.activation = GatedActivation::kGeluTanh;
  config.embedding_scale = std::sqrt(static_cast<float>(config.hidden));
  config.file_rope_layout = RopeLayout::kHalfSplit;
}

ModelConfig read_gguf(const ModelFile& file) {
  const GgufMetadata& metadata = file.metadata();
  ModelConfig config = read_standard_gguf(file, "gemma3");
  set_common(config);
  config.rope = read_gguf_rope(metadata, "gemma3", 1e6);
  const std::string_view local_base = "gemma3.rope.freq_base_swa";
  config.local_rope.keys.base = GgufMetadata::shown(local_base);
  config.local_rope.theta = metadata.find_f32(local_base).value_or(10000.0f);
  config.final_soft_cap = metadata.find_f32("gemma3.final_logit_softcapping").value_or(0.0f);
  const std::uint32_t window = metadata.find_u32("gemma3.attention.sliding_window").value_or(0);
  const std::string_view pattern_key = "gemma3.attention.sliding_window_pattern";
  std::vector<bool> slides = periodic(config.layers.size(), kDefaultPattern);
  if (metadata.is_array(pattern_key)) {
    const auto* array = std::get_if<GgufArray>(metadata.find(pattern_key));
    const auto* flags = std::get_if<std::vector<bool>>(&array->items);
    if (flags == nullptr || flags->size() < config.layers.size()) {
      metadata.refuse(pattern_key, "is not a list of booleans, one per layer");
    }
    slides.assign(flags->begin(), flags->begin() + static_cast<std::ptrdiff_t>(config.layers.size()));
  } else if (const auto pattern = metadata.find_u32(pattern_key)) {
    slides = periodic(config.layers.size(), *pattern);
  }
  if (window == 0) slides.assign(config.layers.size(), false);
  set_windows(config, window, slides);
  // The 27B model alone scales scores by its width instead of head_dim (llama.cpp's converter knows no key for it).
  const double scaled_by = config.layers.size() == 62 ? static_cast<double>(config.hidden) / config.query_heads
                                                      : static_cast<double>(config.head_dim);
  config.attention_scale = static_cast<float>(1.0 / std::sqrt(scaled_by));
  return config;
}

ModelConfig read_hugging_face(const ModelFile& file) {
  const JsonFields json = JsonFields::config_of(file);
  ModelConfig config = read_standard_hugging_face(json, {.norm_epsilon = 1e-6f, .kv_heads = 4, .head_dim = 256});
  set_common(config);
  config.norms_lack_one = true;
  config.rope = read_hugging_face_rope(json, 1e6, config.context_length, "full_attention");
  if (json.find_object("rope_parameters")) {
    config.local_rope = read_hugging_face_rope(json, 10000.0, config.context_length, "sliding_attention");
  } else {
    config.local_rope.keys.base = json.shown("rope_local_base_freq");
    config.local_rope.theta = json.number_or("rope_local_base_freq", 10000.0);
  }
  config.final_soft_cap = json.find_f32("final_logit_softcapping").value_or(0.0f);
  // attn_logit_softcapping is a field of Gemma 2's that transformers passes over here.
  if (json.find_bool("use_bidirectional_attention").value_or(false)) {
    json.refuse("use_bidirectional_attention", "is true; only causal attention is supported");
  }
  auto slides = read_layer_types(json, config.layer_count());
  if (!slides) {
    const std::uint32_t pattern = json.u32_or("sliding_window_pattern", kDefaultPattern);
    if (pattern == 0) json.refuse("sliding_window_pattern", "is 0, expected at least 1");
    slides = periodic(config.layers.size(), pattern);
  }
  set_windows(config, json.find_u32("sliding_window").value_or(4096), *slides);
  const double scalar = json.number_or("query_pre_attn_scalar", 256.0);
  if (!(scalar > 0)) json.refuse("query_pre_attn_scalar", "is not positive");
  config.attention_scale = static_cast<float>(1.0 / std::sqrt(scalar));
  const std::string activation = json.string_or("hidden_activation", "gelu_pytorch_tanh");
  if (activation != "gelu_pytorch_tanh") {
    json.refuse("hidden_activation", fmt::format("is '{}'; only gelu_pytorch_tanh is supported", escaped(activation)));
  }
  return config;
}

const std::vector<TensorName>& tensor_names() {
  using R = TensorRole;
  static const std::vector<TensorName> names = {
      {R::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
      {R::kOutput, "output.weight", "lm_head.weight", false},
      {R::kFinalNorm, "output_norm.weight", "model.norm.weight"},
      {R::kAttentionNorm, "blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight"},
      {R::kQuery, "blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight"},
      {R::kKey, "blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight"},
      {R::kValue, "blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight"},
      {R::kQueryNorm, "blk.{}.attn_q_norm.weight", "model.layers.{}.self_attn.q_norm.weight"},
      {R::kKeyNorm, "blk.{}.attn_k_norm.weight", "model.layers.{}.self_attn.k_norm.weight"},
      {R::kAttentionOutput, "blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight"},
      {R::kPostAttentionNorm, "blk.{}.post_attention_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
      {R::kFeedForwardNorm, "blk.{}.ffn_norm.weight", "model.layers.{}.pre_feedforward_layernorm.weight"},
      {R::kGate, "blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight"},
      {R::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
      {R::kDown, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight"},
      {R::kPostFeedForwardNorm, "blk.{}.post_ffw_norm.weight", "model.layers.{}.post_feedforward_layernorm.weight"},
  };
  return names;
}

// residual += norm(projected)
void add_normed(const Step& step, BufferView gain) {
  record(step.list, step.profile(),
         RmsNorm{.x = step.activations.projected,
                 .y = step.activations.residual,
                 .gain = gain,
                 .columns = step.model.config().hidden,
                 .tokens = step.token_count,
                 .epsilon = step.model.config().norm_epsilon,
                 .accumulate = true});
}

void record_layer(const Step& step, std::uint32_t l) {
  const StepActivations& a = step.activations;
  const LayerWeights& weights = step.model.layer(l);
  // qkv = W_qkv norm(residual)
  project_normed(step, step.grouping.qkv(l), a.residual, weights.attention_norm, a.qkv);
  // q, k = rope(norm(q)), rope(norm(k)), the base by layer type; cache k, v
  rotate_and_store(step, l);
  // attention over the window or over everything
  attend(step, l);
  // residual += norm(W_o attention)
  project(step, step.grouping.attention_output(l), a.attention, a.projected);
  add_normed(step, weights.post_attention_norm);
  // gate = gelu(W_gate norm(residual)) * W_up norm(residual)
  gate_and_up(step, l);
  // residual += norm(W_down gate)
  project(step, weights.down, a.gate, a.projected);
  add_normed(step, weights.post_feed_forward_norm);
}

}  // namespace

const Architecture& gemma3_architecture() {
  static const Architecture architecture = {
      "gemma3", {"gemma3_text"}, read_gguf, read_hugging_face, tensor_names, record_layer,
  };
  return architecture;
}

}  // namespace regroup
