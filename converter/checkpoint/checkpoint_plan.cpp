#include "converter/checkpoint/checkpoint_plan.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "converter/attention_layer_io.h"
#include "runtime/core/error.h"
#include "runtime/model/architecture.h"
#include "runtime/model/rope_table.h"

namespace regroup {
namespace {

using Role = TensorRole;

bool is_norm(Role role) {
  switch (role) {
    case Role::kFinalNorm:
    case Role::kAttentionNorm:
    case Role::kQueryNorm:
    case Role::kKeyNorm:
    case Role::kPostAttentionNorm:
    case Role::kFeedForwardNorm:
    case Role::kPostFeedForwardNorm:
      return true;
    default:
      return false;
  }
}

bool has_rotary_rows(Role role) {
  return role == Role::kQuery || role == Role::kKey || role == Role::kQueryBias || role == Role::kKeyBias;
}

bool is_floating(WeightFormat format) {
  return format == WeightFormat::kF32 || format == WeightFormat::kF16 || format == WeightFormat::kBF16;
}

// What GGUF's gemma3 takes for granted, having no key for it.
float implied_attention_scale(const ModelConfig& config) {
  const double width = config.layer_count() == 62 ? static_cast<double>(config.hidden) / config.query_heads
                                                  : static_cast<double>(config.head_dim);
  return static_cast<float>(1.0 / std::sqrt(width));
}

class Planner {
 public:
  Planner(const TensorTable& table, const ModelOutline& outline, const std::vector<LayerChange>& changes,
          const OutputChoice& choice)
      : table_(table),
        config_(outline.config),
        architecture_(*outline.architecture),
        changes_(changes),
        choice_(choice) {
    plan_.kind = choice.kind;
    plan_.type = choice.type;
    plan_.conventions = file_conventions(config_.architecture, choice.kind);
    plan_.tied = table.find(Role::kOutput) == nullptr;
  }

  CheckpointPlan run() {
    check_type();
    if (table_.file().kind() == choice_.kind) {
      add_in_file_order();
    } else {
      add_in_layer_order();
    }
    for (const auto& [text, count] : fallbacks_) {
      plan_.notes.push_back(fmt::format("{} tensor{} {}", count, count == 1 ? "" : "s", text));
    }
    return std::move(plan_);
  }

 private:
  bool to_gguf() const { return choice_.kind == ModelFileKind::kGguf; }

  void check_type() const {
    if (!choice_.type) return;
    const WeightFormat type = *choice_.type;
    if (!has_encoder(type)) {
      throw_error(ErrorCode::kUsage, "--type {}: can be read, not written; choose f32, f16, bf16, q8_0, q4_0 or q4_1",
                  format_info(type).name);
    }
    if (!to_gguf() && !is_floating(type)) {
      throw_error(
          ErrorCode::kUsage,
          "--type {}: safetensors directories hold f32, f16 or bf16; choose one, or give -o a name ending .gguf",
          format_info(type).name);
    }
  }

  void add_in_file_order() {
    std::map<const FileTensor*, std::pair<const TensorName*, std::uint32_t>> known;
    for (const TensorName& row : architecture_.tensor_names()) {
      for (std::uint32_t l = 0; l < (is_per_layer(row) ? config_.layer_count() : 1); ++l) {
        if (const FileTensor* tensor = table_.find(row.role, l)) known[tensor] = {&row, l};
      }
    }
    for (const FileTensor& tensor : table_.file().tensors()) {
      const auto found = known.find(&tensor);
      if (found == known.end()) continue;  // no model of this kind computes with it
      add(tensor, *found->second.first, found->second.second, tensor.name);
    }
  }

  void add_in_layer_order() {
    const auto& rows = architecture_.tensor_names();
    const auto add_row = [&](const TensorName& row, std::uint32_t l) {
      const std::string_view pattern = to_gguf() ? row.gguf : row.hugging_face;
      const FileTensor* tensor = table_.find(row.role, l);
      if (pattern.empty()) return;
      const std::string name = tensor_name(row, choice_.kind, l);
      if (tensor != nullptr) {
        add(*tensor, row, l, name);
      } else {
        add_absent(row, l, name);
      }
    };
    for (const TensorName& row : rows) {
      if (!is_per_layer(row) && row.role != Role::kFinalNorm && row.role != Role::kOutput) add_row(row, 0);
    }
    for (std::uint32_t l = 0; l < config_.layer_count(); ++l) {
      for (const TensorName& row : rows) {
        if (is_per_layer(row)) add_row(row, l);
      }
    }
    for (const TensorName& row : rows) {
      if (row.role == Role::kFinalNorm || row.role == Role::kOutput) add_row(row, 0);
    }
  }

  void add(const FileTensor& tensor, const TensorName& row, std::uint32_t layer, const std::string& name) {
    OutputTensor out{.plan = {name, tensor.format, tensor.shape}, .role = row.role, .layer = layer, .source = &tensor};
    const FileConventions from = file_conventions(config_.architecture, table_.file().kind());
    if (is_attention_tensor(row.role)) {
      const LayerChange& change = changes_[layer];
      const bool key_value = row.role == Role::kKey || row.role == Role::kValue || row.role == Role::kKeyBias ||
                             row.role == Role::kValueBias;
      out.merged = key_value ? change.key_value : change.query_output;
      if (key_value) out.plan.shape[0] = std::uint64_t{change.groups} * config_.head_dim;
      out.turned = !out.merged && from.rows != plan_.conventions.rows && has_rotary_rows(row.role);
    }
    if (is_norm(row.role) && table_.file().kind() != choice_.kind) {
      if (from.norms_lack_one) out.add = 1;
      if (plan_.conventions.norms_lack_one) out.subtract = 1;
      // Queries are scaled behind their norm, which is as good as scaling the scores.
      if (row.role == Role::kQueryNorm && to_gguf()) {
        out.scale = config_.attention_scale / implied_attention_scale(config_);
      }
    }
    out.plan.format = tensor.shape.size() < 2 ? vector_format(tensor, out.merged) : matrix_format(tensor, out.merged);
    plan_.tensors.push_back(std::move(out));
  }

  // What the output's reader must find though the source has no such tensor.
  void add_absent(const TensorName& row, std::uint32_t layer, const std::string& name) {
    OutputTensor out{.plan = {name, WeightFormat::kF32, {}}, .role = row.role, .layer = layer};
    if (row.role == Role::kRopeDivisors && to_gguf() && config_.rope.scaling == RopeScaling::kLlama3) {
      RopeConfig plain = config_.rope;
      plain.scaling = RopeScaling::kNone;
      const auto unscaled = rope_frequencies(plain, config_.rotary_dims);
      const auto scaled = rope_frequencies(config_.rope, config_.rotary_dims);
      for (std::size_t p = 0; p < scaled.size(); ++p) out.values.push_back(static_cast<float>(unscaled[p] / scaled[p]));
    } else if (!to_gguf() && config_.architecture == "llama") {
      // transformers' Llama has biases everywhere or nowhere.
      static constexpr Role kAttention[] = {Role::kQueryBias, Role::kKeyBias, Role::kValueBias,
                                            Role::kAttentionOutputBias};
      static constexpr Role kFeedForward[] = {Role::kGateBias, Role::kUpBias, Role::kDownBias};
      for (const std::span<const Role> all : {std::span<const Role>(kAttention), std::span<const Role>(kFeedForward)}) {
        if (std::find(all.begin(), all.end(), row.role) == all.end() || !any_layer_has(all)) continue;
        out.values.resize(bias_size(row.role, layer));
      }
    }
    if (out.values.empty()) return;
    out.plan.shape = {out.values.size()};
    plan_.tensors.push_back(std::move(out));
  }

  bool any_layer_has(std::span<const Role> roles) const {
    for (std::uint32_t l = 0; l < config_.layer_count(); ++l) {
      for (const Role role : roles) {
        if (table_.find(role, l) != nullptr) return true;
      }
    }
    return false;
  }

  std::size_t bias_size(Role role, std::uint32_t layer) const {
    switch (role) {
      case Role::kQueryBias:
        return config_.query_columns();
      case Role::kKeyBias:
      case Role::kValueBias:
        return std::size_t{changes_[layer].groups} * config_.head_dim;
      case Role::kGateBias:
      case Role::kUpBias:
        return config_.feed_forward;
      default:
        return config_.hidden;
    }
  }

  WeightFormat vector_format(const FileTensor& tensor, bool merged) const {
    if (table_.file().kind() != choice_.kind) return WeightFormat::kF32;
    return merged && !has_encoder(tensor.format) ? WeightFormat::kF32 : tensor.format;
  }

  WeightFormat matrix_format(const FileTensor& tensor, bool merged) {
    const std::string_view source = format_info(tensor.format).name;
    WeightFormat format = choice_.type.value_or(tensor.format);
    if (!choice_.type) {
      if (!to_gguf() && !is_floating(format)) {
        format = WeightFormat::kF16;
        ++fallbacks_[fmt::format("of type {} written as f16, which safetensors can hold (--type chooses)", source)];
      } else if (merged && !has_encoder(format)) {
        format = WeightFormat::kQ8_0;
        ++fallbacks_[fmt::format("of type {} written as q8_0: {} can be read, not written", source, source)];
      }
    }
    if (tensor.columns() % format_info(format).block_elements != 0) {
      ++fallbacks_[fmt::format("with rows of {} elements written as f16: {} needs a multiple of {}", tensor.columns(),
                               format_info(format).name, format_info(format).block_elements)];
      format = WeightFormat::kF16;
    }
    return format;
  }

  const TensorTable& table_;
  const ModelConfig& config_;
  const Architecture& architecture_;
  const std::vector<LayerChange>& changes_;
  const OutputChoice& choice_;
  CheckpointPlan plan_;
  std::map<std::string, std::size_t> fallbacks_;
};

}  // namespace

bool OutputTensor::is_copy() const {
  return source != nullptr && !merged && !turned && add == 0 && scale == 1 && subtract == 0 &&
         source->format == plan.format;
}

std::uint64_t CheckpointPlan::data_bytes() const {
  std::uint64_t total = 0;
  for (const OutputTensor& tensor : tensors) total += planned_bytes(tensor.plan);
  return total;
}

std::vector<TensorPlan> CheckpointPlan::tensor_plans() const {
  std::vector<TensorPlan> out;
  for (const OutputTensor& tensor : tensors) out.push_back(tensor.plan);
  return out;
}

CheckpointPlan plan_checkpoint(const TensorTable& table, const ModelOutline& outline,
                               const std::vector<LayerChange>& changes, const OutputChoice& choice) {
  REGROUP_CHECK(changes.size() == outline.config.layer_count());
  return Planner(table, outline, changes, choice).run();
}

}  // namespace regroup
