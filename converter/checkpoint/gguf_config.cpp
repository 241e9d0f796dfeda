#include "converter/checkpoint/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/model/architecture.h"

namespace regroup {
namespace {

// llama.cpp's numbers for general.file_type.
std::optional<std::uint32_t> file_type_of(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF32:
      return 0;
    case WeightFormat::kF16:
      return 1;
    case WeightFormat::kQ4_0:
      return 2;
    case WeightFormat::kQ4_1:
      return 3;
    case WeightFormat::kQ8_0:
      return 7;
    case WeightFormat::kBF16:
      return 32;
    default:
      return std::nullopt;
  }
}

GgufValue heads_value(const std::vector<std::uint32_t>& groups) {
  if (std::equal(groups.begin() + 1, groups.end(), groups.begin())) return groups[0];
  return GgufArray{std::vector<std::int32_t>(groups.begin(), groups.end())};
}

// The model's name: what config.json calls it where that is more than a path, else the folder's.
std::string name_of(const ModelFile& source, const ModelConfig& config) {
  if (!config.name.empty() && config.name.find('/') == std::string::npos) return config.name;
  const std::string folder = source.path().filename().string();
  return escaped(folder.empty() ? source.path().parent_path().filename().string() : folder);
}

class MetadataFromConfig {
 public:
  MetadataFromConfig(const ModelFile& source, const ModelOutline& outline, CheckpointPlan& plan)
      : source_(source), config_(outline.config), plan_(plan), prefix_(outline.architecture->name) {}

  GgufMetadata run(const std::vector<std::uint32_t>& groups) {
    metadata_.add("general.architecture", prefix_);
    metadata_.add("general.type", std::string("model"));
    metadata_.add("general.name", name_of(source_, config_));
    number("block_count", config_.layer_count());
    number("context_length", config_.context_length);
    number("embedding_length", config_.hidden);
    number("feed_forward_length", config_.feed_forward);
    number("attention.head_count", config_.query_heads);
    metadata_.add(key("attention.head_count_kv"), heads_value(groups));
    number("attention.key_length", config_.head_dim);
    number("attention.value_length", config_.head_dim);
    metadata_.add(key("attention.layer_norm_rms_epsilon"), config_.norm_epsilon);
    if (prefix_ == "llama") number("vocab_size", config_.vocabulary);
    if (prefix_ == "llama" || config_.rotary_dims != config_.head_dim) {
      number("rope.dimension_count", config_.rotary_dims);
    }
    add_rope();
    add_windows();
    if (config_.final_soft_cap > 0) metadata_.add(key("final_logit_softcapping"), config_.final_soft_cap);
    metadata_.add("general.quantization_version", std::uint32_t{2});
    return std::move(metadata_);
  }

 private:
  std::string key(std::string_view name) const { return fmt::format("{}.{}", prefix_, name); }
  void number(std::string_view name, std::uint32_t value) { metadata_.add(key(name), value); }

  void add_rope() {
    const RopeConfig& rope = config_.rope;
    metadata_.add(key("rope.freq_base"), static_cast<float>(rope.theta));
    if (config_.layers[0].local_rope || config_.local_rope.theta != RopeConfig{}.theta) {
      metadata_.add(key("rope.freq_base_swa"), static_cast<float>(config_.local_rope.theta));
    }
    switch (rope.scaling) {
      case RopeScaling::kNone:
        return;
      case RopeScaling::kLlama3:  // the tensor rope_freqs.weight says it
        if (prefix_ != "llama") refuse("llama3", "only files of architecture llama can hold it");
        return;
      case RopeScaling::kLinear:
        metadata_.add(key("rope.scaling.type"), std::string("linear"));
        metadata_.add(key("rope.scaling.factor"), static_cast<float>(rope.factor));
        return;
      case RopeScaling::kYarn:
        if (!rope.truncate_range) refuse("yarn", "GGUF has no key for its truncate");
        if (rope.beta_fast != 32.0)
          metadata_.add(key("rope.scaling.yarn_beta_fast"), static_cast<float>(rope.beta_fast));
        if (rope.beta_slow != 1.0)
          metadata_.add(key("rope.scaling.yarn_beta_slow"), static_cast<float>(rope.beta_slow));
        metadata_.add(key("rope.scaling.type"), std::string("yarn"));
        metadata_.add(key("rope.scaling.factor"), static_cast<float>(rope.factor));
        number("rope.scaling.original_context_length", static_cast<std::uint32_t>(rope.original_context));
        if (const double implied = rope.factor <= 1 ? 1.0 : 0.1 * std::log(rope.factor) + 1.0;
            std::abs(rope.attention_factor - implied) > 1e-9) {
          metadata_.add(key("rope.scaling.attn_factor"), static_cast<float>(rope.attention_factor / implied));
        }
        return;
    }
  }

  [[noreturn]] void refuse(std::string_view scaling, std::string_view reason) const {
    throw_error(ErrorCode::kUsage, "{}: cannot write rotary scaling '{}' into GGUF: {}; convert to a directory instead",
                source_.path().string(), scaling, reason);
  }

  void add_windows() {
    std::uint32_t window = 0;
    std::vector<bool> slides;
    for (const LayerConfig& layer : config_.layers) {
      window = std::max(window, layer.window);
      slides.push_back(layer.window > 0);
    }
    if (window == 0) return;
    if (prefix_ == "gemma3") {
      number("attention.sliding_window", window);
      for (std::uint32_t period = 1; period <= slides.size(); ++period) {
        bool matches = true;
        for (std::size_t l = 0; l < slides.size(); ++l) matches = matches && slides[l] == ((l + 1) % period != 0);
        if (!matches) continue;
        if (period != 6) number("attention.sliding_window_pattern", period);
        return;
      }
      if (std::all_of(slides.begin(), slides.end(), [](bool slide) { return slide; }) && slides.size() < 6) return;
      metadata_.add(key("attention.sliding_window_pattern"), GgufArray{slides});
      return;
    }
    if (window >= config_.context_length) return;  // it never cuts anything off
    throw_error(ErrorCode::kUsage,
                "{}: attention slides over a window of {} tokens, for which a GGUF file of architecture {} has no key; "
                "convert to a directory instead",
                source_.path().string(), window, prefix_);
  }

  const ModelFile& source_;
  const ModelConfig& config_;
  CheckpointPlan& plan_;
  std::string prefix_;
  GgufMetadata metadata_;
};

}  // namespace

GgufMetadata gguf_metadata_for(const ModelFile& source, const ModelOutline& outline,
                               const std::vector<std::uint32_t>& groups, CheckpointPlan& plan) {
  const bool copies = source.kind() == ModelFileKind::kGguf;
  GgufMetadata metadata = copies ? source.metadata() : MetadataFromConfig(source, outline, plan).run(groups);
  const std::string heads_key = fmt::format("{}.attention.head_count_kv", outline.architecture->name);
  metadata.set(heads_key, heads_value(groups));
  if (metadata.is_array(heads_key)) {
    plan.notes.push_back(
        fmt::format("layers have different numbers of groups ({}): regroup reads that, llama.cpp reads it for some "
                    "architectures only and will refuse this one",
                    fmt::join(groups, ",")));
  }
  std::optional<WeightFormat> format = plan.type;
  if (!format && !copies) {
    for (const OutputTensor& tensor : plan.tensors) {
      if (tensor.role == TensorRole::kGate) format = tensor.plan.format;
    }
  }
  if (format) {
    if (const auto type = file_type_of(*format)) metadata.set("general.file_type", *type);
  }
  return metadata;
}

}  // namespace regroup
