// Llama (Touvron et al. 2023) and what shares its form: Llama 2 and 3, SmolLM2, TinyLlama, Mistral's plain form.
// RMSNorm before each block, RoPE, grouped-query attention, SwiGLU.
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
  const GgufMetadata& metadata = file.metadata();
  ModelConfig config = read_standard_gguf(file, "llama");
  config.rope = read_gguf_rope(metadata, "llama", 10000.0);
  if (const FileTensor* divisors = file.find("rope_freqs.weight")) {
    config.rope.frequency_divisors.resize(divisors->elements());
    decode_row(divisors->format, divisors->bytes, config.rope.frequency_divisors);
  }
  config.file_rope_layout = RopeLayout::kInterleaved;
  return config;
}

ModelConfig read_hugging_face(const ModelFile& file) {
  const JsonFields json = JsonFields::config_of(file);
  const bool mistral = json.find_string("model_type") == "mistral";
  ModelConfig config = read_standard_hugging_face(json, {.norm_epsilon = 1e-6f, .kv_heads = mistral ? 8u : 0u});
  config.rope = read_hugging_face_rope(json, 10000.0, config.context_length);
  config.file_rope_layout = RopeLayout::kHalfSplit;
  const std::string activation = json.string_or("hidden_act", "silu");
  if (activation != "silu" && activation != "swish")
    json.refuse("hidden_act", fmt::format("is '{}'; only silu is supported", escaped(activation)));
  if (mistral) {
    // An absent window is transformers' default, null is none.
    const std::uint32_t window = json.find_u32("sliding_window").value_or(json.contains("sliding_window") ? 0 : 4096);
    for (LayerConfig& layer : config.layers) layer.window = window;
  }
  return config;
}

const std::vector<TensorName>& tensor_names() {
  using R = TensorRole;
  static const std::vector<TensorName> names = {
      {R::kEmbedding, "token_embd.weight", "model.embed_tokens.weight"},
      {R::kOutput, "output.weight", "lm_head.weight", false},
      {R::kFinalNorm, "output_norm.weight", "model.norm.weight"},
      {R::kRopeDivisors, "rope_freqs.weight", "", false},
      {R::kAttentionNorm, "blk.{}.attn_norm.weight", "model.layers.{}.input_layernorm.weight"},
      {R::kQuery, "blk.{}.attn_q.weight", "model.layers.{}.self_attn.q_proj.weight"},
      {R::kKey, "blk.{}.attn_k.weight", "model.layers.{}.self_attn.k_proj.weight"},
      {R::kValue, "blk.{}.attn_v.weight", "model.layers.{}.self_attn.v_proj.weight"},
      {R::kQueryBias, "blk.{}.attn_q.bias", "model.layers.{}.self_attn.q_proj.bias", false},
      {R::kKeyBias, "blk.{}.attn_k.bias", "model.layers.{}.self_attn.k_proj.bias", false},
      {R::kValueBias, "blk.{}.attn_v.bias", "model.layers.{}.self_attn.v_proj.bias", false},
      {R::kAttentionOutput, "blk.{}.attn_output.weight", "model.layers.{}.self_attn.o_proj.weight"},
      {R::kAttentionOutputBias, "blk.{}.attn_output.bias", "model.layers.{}.self_attn.o_proj.bias", false},
      {R::kFeedForwardNorm, "blk.{}.ffn_norm.weight", "model.layers.{}.post_attention_layernorm.weight"},
      {R::kGate, "blk.{}.ffn_gate.weight", "model.layers.{}.mlp.gate_proj.weight"},
      {R::kUp, "blk.{}.ffn_up.weight", "model.layers.{}.mlp.up_proj.weight"},
      {R::kDown, "blk.{}.ffn_down.weight", "model.layers.{}.mlp.down_proj.weight"},
      {R::kGateBias, "blk.{}.ffn_gate.bias", "model.layers.{}.mlp.gate_proj.bias", false},
      {R::kUpBias, "blk.{}.ffn_up.bias", "model.layers.{}.mlp.up_proj.bias", false},
      {R::kDownBias, "blk.{}.ffn_down.bias", "model.layers.{}.mlp.down_proj.bias", false},
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

const Architecture& llama_architecture() {
  static const Architecture architecture = {
      "llama", {"llama", "mistral"}, read_gguf, read_hugging_face, tensor_names, record_layer,
  };
  return architecture;
}

}  // namespace regroup
