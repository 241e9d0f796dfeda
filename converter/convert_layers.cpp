#include "converter/convert_layers.h"

#include <algorithm>

#include "converter/attention_layer_io.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/model/architecture.h"

namespace regroup {
namespace {

constexpr std::string_view kAutoMethod = "auto";

// A layer with what check_settings asks about, without its weights.
AttentionLayer shape_of(const TensorTable& table, const ModelConfig& config, std::uint32_t l) {
  AttentionLayer shape;
  shape.hidden = config.hidden;
  shape.query_heads = config.query_heads;
  shape.kv_heads = config.layers[l].kv_heads;
  shape.head_dim = config.head_dim;
  shape.rotary_dims = config.rotary_dims;
  shape.qk_norm = table.find(TensorRole::kQueryNorm, l) != nullptr || table.find(TensorRole::kKeyNorm, l) != nullptr;
  return shape;
}

}  // namespace

bool needs_calibration(const std::string& method) {
  return method == kAutoMethod || merge_method_named(method).needs != MergeNeeds::kWeights;
}

void check_settings(const ModelFile& file, const ModelOutline& outline, const MergeSettings& settings) {
  const ModelConfig& config = outline.config;
  const MergeMethod* method = settings.method == kAutoMethod ? nullptr : &merge_method_named(settings.method);
  if (settings.groups.size() != config.layers.size()) {
    throw_error(ErrorCode::kUsage,
                "--groups gives {} numbers, the model has {} layers; give one number or one per layer",
                settings.groups.size(), config.layers.size());
  }
  const TensorTable table(file, outline.architecture->tensor_names(), config.layer_count());
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    const std::uint32_t groups = settings.groups[l], heads = config.layers[l].kv_heads;
    if (groups == 0 || groups > heads || heads % groups != 0) {
      const FileTensor& key = table.get(TensorRole::kKey, l);
      throw_error(ErrorCode::kUsage,
                  "--groups {}: layer {} has {} KV heads (tensor '{}', [{}]), and {} does not divide them", groups, l,
                  heads, escaped(key.name), fmt::join(key.shape, ", "), groups);
    }
    if (groups == heads || method == nullptr) continue;
    if (const auto reason = refusal(*method, shape_of(table, config, l))) {
      throw_error(ErrorCode::kUsage, "--method {}: layer {}: {}; choose mean, mean-norm, first, random or auto",
                  settings.method, l, *reason);
    }
  }
}

void convert_layers(const ConvertLayers& job) {
  check_settings(job.file, job.outline, job.settings);
  const ModelConfig& config = job.outline.config;
  const TensorTable table(job.file, job.outline.architecture->tensor_names(), config.layer_count());
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    if (cancelled(job.cancel)) throw_error(ErrorCode::kInterrupted, "stopped while merging layers");
    MergedLayer out{.layer = l, .groups = HeadGroups::contiguous(config.layers[l].kv_heads, job.settings.groups[l])};
    out.method = "none";
    if (!out.groups.is_identity()) {
      MergeInput input{.seed = job.settings.seed, .layer = l, .progress = job.progress, .cancel = job.cancel};
      out.method = job.settings.method;
      out.attention =
          merge_method_named(out.method).merge(read_attention_layer(table, config, l), out.groups, input);
    }
    job.sink(out);
  }
}

}  // namespace regroup
