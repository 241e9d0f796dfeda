#include "converter/checkpoint/hugging_face_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "runtime/model/rope_table.h"

namespace regroup {
namespace {

using Json = nlohmann::ordered_json;

const char* data_type_name(WeightFormat format) {
  return format == WeightFormat::kF32 ? "float32" : format == WeightFormat::kF16 ? "float16" : "bfloat16";
}

bool is_uniform(const std::vector<std::uint32_t>& groups) {
  return std::equal(groups.begin() + 1, groups.end(), groups.begin());
}

// Llama 3's scaling, which GGUF files hold as one divisor per plane: 1 up to a wavelength, `factor` from another on, a
// smooth band between. Nothing when no such scaling gives these divisors.
std::optional<Json> llama3_scaling(const RopeConfig& rope, std::uint32_t rotary_dims) {
  RopeConfig plain = rope;
  plain.frequency_divisors.clear();
  const std::vector<double> frequencies = rope_frequencies(plain, rotary_dims);
  RopeConfig guess = plain;
  guess.scaling = RopeScaling::kLlama3;
  guess.factor = *std::max_element(rope.frequency_divisors.begin(), rope.frequency_divisors.end());
  guess.low_frequency_factor = 1.0;
  const auto reproduces = [&] {
    const std::vector<double> scaled = rope_frequencies(guess, rotary_dims);
    for (std::size_t p = 0; p < scaled.size(); ++p) {
      if (std::abs(frequencies[p] / scaled[p] / rope.frequency_divisors[p] - 1) > 2e-5) return false;
    }
    return true;
  };
  const auto to_json = [&] {
    return Json{{"rope_type", "llama3"},
                {"factor", guess.factor},
                {"low_freq_factor", guess.low_frequency_factor},
                {"high_freq_factor", guess.high_frequency_factor},
                {"original_max_position_embeddings", static_cast<std::uint64_t>(std::llround(guess.original_context))}};
  };
  // Published checkpoints have these; files with few planes leave nothing to derive them from.
  for (const double original : {8192.0, 4096.0, 2048.0, 16384.0, 32768.0, 1024.0, 512.0, 256.0, 128.0, 64.0}) {
    for (const double high : {4.0, 2.0, 8.0}) {
      guess.original_context = original;
      guess.high_frequency_factor = high;
      if (reproduces()) return to_json();
    }
  }
  // In the band: 1 / divisor = (1 - s) / factor + s, s linear in frequency; two planes of it give both ends.
  std::vector<std::pair<double, double>> band;  // frequency / 2 pi, s
  for (std::size_t p = 0; p < frequencies.size(); ++p) {
    const double s = (1.0 / rope.frequency_divisors[p] - 1 / guess.factor) / (1 - 1 / guess.factor);
    if (s > 1e-4 && s < 1 - 1e-4) band.emplace_back(frequencies[p] / (2 * std::numbers::pi), s);
  }
  if (band.size() < 2) return std::nullopt;
  const double slope = (band.front().second - band.back().second) / (band.front().first - band.back().first);
  const double offset = band.front().second - slope * band.front().first;  // = -low / (high - low), low = 1
  if (!(offset < 0)) return std::nullopt;
  guess.high_frequency_factor = 1 - 1 / offset;
  guess.original_context = std::round(slope * (guess.high_frequency_factor - guess.low_frequency_factor));
  if (!(guess.original_context > 0) || !reproduces()) return std::nullopt;
  return to_json();
}

class ConfigFromKeys {
 public:
  ConfigFromKeys(const ModelFile& source, const ModelOutline& outline, const CheckpointPlan& plan)
      : source_(source), config_(outline.config), plan_(plan), name_(outline.architecture->name) {}

  Json run(const std::vector<std::uint32_t>& groups) {
    const bool gemma = name_ == "gemma3";
    const bool slides = config_.layers[0].window > 0 && !gemma;
    const bool biased = has(TensorRole::kQueryBias) || has(TensorRole::kKeyBias) || has(TensorRole::kValueBias);
    const bool qwen = name_ == "qwen2";
    const std::string type = gemma ? "gemma3_text" : qwen ? "qwen2" : slides ? "mistral" : "llama";
    if (type == "mistral" && biased) {
      throw_error(ErrorCode::kUsage, "{}: a model with both biases and a sliding window has no form in transformers",
                  source_.path().string());
    }
    out_ = {{"architectures",
             {gemma    ? "Gemma3ForCausalLM"
              : qwen   ? "Qwen2ForCausalLM"
              : slides ? "MistralForCausalLM"
                       : "LlamaForCausalLM"}},
            {"model_type", type},
            {"hidden_size", config_.hidden},
            {"intermediate_size", config_.feed_forward},
            {"num_hidden_layers", config_.layer_count()},
            {"num_attention_heads", config_.query_heads},
            {"num_key_value_heads", groups[0]},
            {"head_dim", config_.head_dim},
            {"vocab_size", config_.vocabulary},
            {"max_position_embeddings", config_.context_length},
            {"rms_norm_eps", shortest(config_.norm_epsilon)},
            {"tie_word_embeddings", plan_.tied},
            {"torch_dtype", data_type_name(matrix_format())},
            {"use_cache", true}};
    out_[gemma ? "hidden_activation" : "hidden_act"] = gemma ? "gelu_pytorch_tanh" : "silu";
    if (config_.rotary_dims != config_.head_dim) {
      out_["partial_rotary_factor"] = static_cast<double>(config_.rotary_dims) / config_.head_dim;
    }
    if (type == "llama") {
      out_["attention_bias"] = biased || has(TensorRole::kAttentionOutputBias);
      out_["mlp_bias"] = has(TensorRole::kGateBias) || has(TensorRole::kUpBias) || has(TensorRole::kDownBias);
    }
    if (type == "mistral") out_["sliding_window"] = config_.layers[0].window;
    if (qwen) out_["use_sliding_window"] = false;
    if (gemma) add_gemma();
    add_rope();
    if (source_.vocabulary()) {
      if (source_.vocabulary()->bos) out_["bos_token_id"] = *source_.vocabulary()->bos;
      if (source_.vocabulary()->eos) out_["eos_token_id"] = *source_.vocabulary()->eos;
      if (source_.vocabulary()->pad) out_["pad_token_id"] = *source_.vocabulary()->pad;
    }
    return std::move(out_);
  }

 private:
  bool has(TensorRole role) const {
    return std::any_of(plan_.tensors.begin(), plan_.tensors.end(),
                       [&](const OutputTensor& tensor) { return tensor.role == role; });
  }

  WeightFormat matrix_format() const {
    for (const OutputTensor& tensor : plan_.tensors) {
      if (tensor.plan.shape.size() > 1) return tensor.plan.format;
    }
    return WeightFormat::kF32;
  }

  // A float as the decimal that was meant: 1e-5, not 9.99999974e-06.
  static double shortest(float value) { return std::stod(fmt::format("{}", value)); }

  void add_gemma() {
    std::uint32_t window = 0;
    std::vector<std::string> types;
    for (const LayerConfig& layer : config_.layers) {
      window = std::max(window, layer.window);
      types.emplace_back(layer.window > 0 ? "sliding_attention" : "full_attention");
    }
    if (window > 0) out_["sliding_window"] = window;
    out_["layer_types"] = types;
    const double width = 1.0 / (static_cast<double>(config_.attention_scale) * config_.attention_scale);
    const double whole = std::round(width);
    out_["query_pre_attn_scalar"] =
        std::abs(width - whole) < 1e-4 * width ? Json(static_cast<std::uint64_t>(whole)) : Json(width);
    if (config_.final_soft_cap > 0) out_["final_logit_softcapping"] = shortest(config_.final_soft_cap);
    out_["attn_logit_softcapping"] = nullptr;
    out_["attention_bias"] = false;
    out_["rope_local_base_freq"] = config_.local_rope.theta;
  }

  void add_rope() {
    const RopeConfig& rope = config_.rope;
    out_["rope_theta"] = rope.theta;
    out_["rope_scaling"] = nullptr;
    if (rope.scaling != RopeScaling::kYarn && rope.attention_factor != 1.0) {
      throw_error(ErrorCode::kUsage,
                  "{}: its rope.scaling.attn_factor of {} has no form in config.json; convert to a .gguf file instead",
                  escaped(source_.path().string()), rope.attention_factor);
    }
    if (!rope.frequency_divisors.empty()) {
      const bool plain = std::all_of(rope.frequency_divisors.begin(), rope.frequency_divisors.end(),
                                     [](float divisor) { return divisor == 1.0f; });
      if (plain) return;
      const auto scaling =
          rope.scaling == RopeScaling::kNone ? llama3_scaling(rope, config_.rotary_dims) : std::nullopt;
      if (!scaling) {
        throw_error(ErrorCode::kUsage,
                    "{}: the rotary scaling of tensor 'rope_freqs.weight' has no form in config.json; convert to a "
                    ".gguf file instead",
                    source_.path().string());
      }
      out_["rope_scaling"] = *scaling;
    } else if (rope.scaling == RopeScaling::kLinear) {
      out_["rope_scaling"] = {{"rope_type", "linear"}, {"factor", rope.factor}};
    } else if (rope.scaling == RopeScaling::kYarn) {
      out_["rope_scaling"] = {
          {"rope_type", "yarn"},
          {"factor", rope.factor},
          {"original_max_position_embeddings", static_cast<std::uint64_t>(std::llround(rope.original_context))},
          {"attention_factor", rope.attention_factor}};
    }
  }

  const ModelFile& source_;
  const ModelConfig& config_;
  const CheckpointPlan& plan_;
  std::string_view name_;
  Json out_;
};

}  // namespace

Json hugging_face_config_for(const ModelFile& source, const ModelOutline& outline,
                             const std::vector<std::uint32_t>& groups, CheckpointPlan& plan) {
  Json config = source.kind() == ModelFileKind::kHuggingFace ? Json(source.config())
                                                             : ConfigFromKeys(source, outline, plan).run(groups);
  config["num_key_value_heads"] = groups[0];
  config.erase("num_key_value_heads_per_layer");
  if (!is_uniform(groups)) {
    // The name that DeciLM's configuration has for it.
    config["num_key_value_heads"] = *std::max_element(groups.begin(), groups.end());
    config["num_key_value_heads_per_layer"] = groups;
    plan.notes.push_back(
        fmt::format("layers have different numbers of groups ({}): regroup reads that, transformers will refuse the "
                    "directory, as its configuration has one number for all layers",
                    fmt::join(groups, ",")));
  }
  if (plan.type && source.kind() == ModelFileKind::kHuggingFace) {
    config.erase("torch_dtype");
    config.erase("dtype");
    config[source.config().contains("dtype") ? "dtype" : "torch_dtype"] = data_type_name(*plan.type);
  }
  return config;
}

}  // namespace regroup
