#include "converter/measure_damage.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "converter/attention_layer_io.h"
#include "converter/layer_calibration.h"
#include "converter/merge.h"
#include "converter/residual_streams.h"
#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/architecture.h"
#include "runtime/model/kv_cache.h"
#include "runtime/ops/linear.h"
#include "runtime/ops/rms_norm.h"
#include "runtime/ops/sampling.h"

namespace regroup {
namespace {

// The model with one layer merged.
struct Variant {
  std::uint32_t layer, groups;
  std::unique_ptr<ResidualStreams> streams;  // of the held-out sequences
};

// Final norm and output matrix: logits of one sequence on the host.
class Predictions {
 public:
  Predictions(const MeasureDamage& job, std::uint32_t length)
      : device_(job.device),
        length_(length),
        model_(Model::load(job.device, job.profile, job.file, {}, job.cancel,
                           {.layer_count = 0, .embedding = false, .output = true})),
        arena_(job.device, MemoryUse::kDevice, "logits") {
    const auto rows = [&](std::uint32_t columns) {
      const std::uint32_t stride = (columns + 31) / 32 * 32;
      const Buffer& buffer = arena_.buffer(std::uint64_t{length} * stride * 4, "logits");
      CommandList zero(device_);
      zero.fill(buffer, 0);
      zero.run();
      return Activations{buffer, 0, stride};
    };
    normed_ = rows(model_->config().hidden);
    logits_ = rows(model_->config().vocabulary);
  }

  // [length, stride()] values; the first vocabulary() of each row count.
  std::vector<float> logits(const Activations& residual, const CancelFlag* cancel) {
    const ModelConfig& config = model_->config();
    CommandList list(device_);
    record(list, model_->profile(),
           RmsNorm{.x = residual,
                   .y = normed_,
                   .gain = model_->final_norm(),
                   .columns = config.hidden,
                   .tokens = length_,
                   .epsilon = config.norm_epsilon});
    record(list, model_->profile(), Linear{.weight = model_->output(), .x = normed_, .y = logits_, .tokens = length_});
    if (config.final_soft_cap > 0) {
      record(list, model_->profile(),
             SoftCap{.logits = logits_, .columns = config.vocabulary, .tokens = length_, .cap = config.final_soft_cap});
    }
    list.run(cancel);
    return download_values<float>(device_, logits_.buffer, std::size_t{length_} * logits_.stride);
  }

  std::uint32_t stride() const { return logits_.stride; }
  std::uint32_t vocabulary() const { return model_->config().vocabulary; }

 private:
  Device& device_;
  std::uint32_t length_;
  std::unique_ptr<Model> model_;
  Arena arena_;
  Activations normed_, logits_;
};

double log_sum(std::span<const float> logits) {
  const float largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  return largest + std::log(sum);
}

// Sum over the rows of KL(p || q), p = softmax of `wanted`.
double divergence(std::span<const float> wanted, std::span<const float> found, std::uint32_t stride,
                  std::uint32_t vocabulary) {
  double total = 0;
  for (std::size_t at = 0; at < wanted.size(); at += stride) {
    const auto p = wanted.subspan(at, vocabulary), q = found.subspan(at, vocabulary);
    const double p_log = log_sum(p), q_log = log_sum(q);
    double sum = 0;
    for (std::size_t i = 0; i < vocabulary; ++i) {
      const double log_p = p[i] - p_log;
      sum += std::exp(static_cast<float>(log_p)) * (log_p - (q[i] - q_log));
    }
    total += sum;
  }
  return total;
}

AttentionLayer merge_alone(const AttentionLayer& source, std::uint32_t groups, LayerCalibration* calibration,
                           MergeInput input) {
  const MergeMethod& svd = merge_method_named("svd");
  const MergeMethod& method = refusal(svd, source) ? merge_method_named("mean") : svd;
  if (calibration != nullptr) {
    input.statistics = &calibration->statistics();
    input.calibration = calibration;
  }
  return method.merge(source, HeadGroups::contiguous(source.kv_heads, groups), input);
}

}  // namespace

std::vector<std::vector<BudgetOption>> measure_damage(const MeasureDamage& job) {
  const ModelConfig& config = job.outline.config;
  const CalibrationText& text = job.text;
  const std::uint32_t layers = config.layer_count(), first_judging = text.sequences - text.held_out;
  CalibrationText judging{.sequences = text.held_out, .sequence_length = text.sequence_length};

  std::vector<std::vector<BudgetOption>> options(layers);
  const auto bytes = [&](std::uint32_t l, std::uint32_t groups) {
    ModelConfig one = config;
    one.layers = {config.layers[l]};
    return kv_bytes_per_token(one, {groups}, job.cache_type);
  };
  ResidualStreams teacher(job.device, config, text), normed(job.device, config, text);
  embed(job.device, job.profile, job.file, text, teacher, job.cancel);
  const TensorTable table(job.file, job.outline.architecture->tensor_names(), layers);
  std::vector<Variant> variants;
  for (std::uint32_t l = 0; l < layers; ++l) {
    if (job.progress) job.progress("measuring layers", static_cast<double>(l) / layers);
    ResidentLayer resident(job.device, job.profile, job.file, l, text, job.cancel);
    const AttentionLayer source = read_attention_layer(table, config, l);
    std::optional<LayerCalibration> calibration;
    for (Variant& variant : variants) resident.advance(*variant.streams, nullptr, job.cancel);
    options[l].push_back({source.kv_heads, bytes(l, source.kv_heads), 0});
    for (std::uint32_t groups = source.kv_heads - 1; groups > 0; --groups) {
      if (source.kv_heads % groups != 0) continue;
      if (!calibration && !source.qk_norm) {
        resident.normed_inputs(teacher, normed.rows(), job.cancel);
        calibration.emplace(CalibrationInputs{.device = job.device,
                                              .profile = job.profile,
                                              .source = source,
                                              .teacher = normed.rows(),
                                              .student = normed.rows(),
                                              .sequences = text.sequences,
                                              .sequence_length = text.sequence_length,
                                              .held_out = text.held_out,
                                              .rope_table = resident.rope_table(),
                                              .window = resident.window(),
                                              .layer = l},
                            job.cancel);
      }
      const AttentionLayer merged =
          merge_alone(source, groups, calibration ? &*calibration : nullptr, {.layer = l, .cancel = job.cancel});
      auto streams = std::make_unique<ResidualStreams>(job.device, config, judging);
      streams->copy_from(teacher, first_judging);
      resident.advance(*streams, &merged, job.cancel);
      variants.push_back({l, groups, std::move(streams)});
      options[l].push_back({groups, bytes(l, groups), 0});
    }
    calibration.reset();
    resident.advance(teacher, nullptr, job.cancel);
  }

  Predictions predictions(job, text.sequence_length);
  const double tokens = static_cast<double>(text.held_out) * text.sequence_length;
  for (std::uint32_t s = 0; s < text.held_out; ++s) {
    const std::vector<float> wanted = predictions.logits(teacher.sequence(first_judging + s), job.cancel);
    for (std::size_t v = 0; v < variants.size(); ++v) {
      const Variant& variant = variants[v];
      const std::vector<float> found = predictions.logits(variant.streams->sequence(s), job.cancel);
      for (BudgetOption& option : options[variant.layer]) {
        if (option.groups != variant.groups) continue;
        option.damage += divergence(wanted, found, predictions.stride(), predictions.vocabulary()) / tokens;
      }
      if (job.progress) {
        job.progress("comparing predictions",
                     (s + static_cast<double>(v + 1) / static_cast<double>(variants.size())) / text.held_out);
      }
    }
  }
  for (std::uint32_t l = 0; l < layers; ++l) {
    for (BudgetOption& option : options[l]) {
      if (!std::isfinite(option.damage)) {
        throw_error(ErrorCode::kNotANumber,
                    "the model's predictions, or those with layer {} merged into {} groups, are not finite numbers, so "
                    "that no budget can be shared out; give --groups in numbers",
                    l, option.groups);
      }
      option.damage = std::max(0.0, option.damage);  // rounding may leave less than nothing
    }
  }
  return options;
}

}  // namespace regroup
