// Qwen 2 and 2.5 (Yang et al. 2024): Llama's form with biases on the query, key and value projections, rotary planes
// half a head apart in both kinds of files, and sliding windows in the upper layers where the config asks for them.
#include "runtime/core/error.h"
#include "runtime/file/model_file.h"
#include "runtime/model/architecture.h"
#include "runtime/model/json_fields.h"
#include "runtime/model/rope_config.h"
#include "runtime/model/standard_config.h"
#include "runtime/model/step.h"

namespace regroup {
namespace {

ModelConfig read_gguf(const ModelFile& file) {
  ModelConfig config = read_standard_gguf(file, "qwen2");
  config.rope = read_gguf_rope(file.metadata(), "qwen2", 10000.0);
  config.file_rope_layout = RopeLayout::kHalfSplit;
  return config;
}

ModelConfig read_hugging_face(const ModelFile& file) {
  const JsonFields json = JsonFields::config_of(file);
  ModelConfig config =
      read_standard_hugging_face(json, {.norm_epsilon = 1e-6f, .kv_heads = 32, .context_length = 32768});
  config.rope = read_hugging_face_rope(json, 10000.0, config.context_length);
  config.file_rope_layout = RopeLayout::kHalfSplit;
  const std::string activation = json.string_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    json.refuse("hidden_act", fmt::format("is '{}'; only silu is supported", escaped(activation)));
  const auto slides = read_layer_types(json, config.layer_count());  // checked also where no layer slides
  if (!json.find_bool("use_sliding_window").value_or(false)) return config;
  // An absent window is transformers' default, null is none.
  const std::uint32_t window = json.find_u32("sliding_window").value_or(json.contains("sliding_window") ? 0 : 4096);
  const std::uint32_t full_layers = json.find_u32("max_window_layers").value_or(28);
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    if (slides ? (*slides)[l] : l >= full_layers) config.layers[l].window = window;
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
      {R::kQueryBias, "blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias"},
      {R::kKeyBias, "blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias"},
      {R::kValueBias, "blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias"},
      {R::kAttentionOutput, "blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight"},
      {R::kFeedForwardNorm, "blk.{}.ffn_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
      {R::kGate, "blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight"},
      {R::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
      {R::kDown, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight"},
  };
  return names;
}

void record_layer(const Step& step, std::uint32_t l) {
  const StepActivations& a = step.activations;
  const LayerWeights& weights = step.model.layer(l);
  // q, k, v = W_qkv norm(residual); q, k = rope(q), rope(k); cache k, v
  project_and_store(step, l);
  // attention = softmax(q k / sqrt(d)) v, query head h on KV head floor(h G / H)
  attend(step, l);
  // residual += W_o attention
  project(step, step.grouping.attention_output(l), a.attention, a.residual, true);
  // gate = silu(W_gate norm(residual)) * W_up norm(residual)
  gate_and_up(step, l);
  // residual += W_down gate
  project(step, weights.down, a.gate, a.residual, true);
}

}  // namespace

const Architecture& qwen2_architecture() {
  static const Architecture architecture = {
      "qwen2", {"qwen2"}, read_gguf, read_hugging_face, tensor_names, record_layer,
  };
  return architecture;
}

}  // namespace regroup
