#include "converter/convert_layers.h"

#include <algorithm>
#include <cmath>

#include "converter/attention_layer_io.h"
#include "converter/choose_merge.h"
#include "converter/layer_calibration.h"
#include "converter/merge.h"
#include "converter/residual_streams.h"
#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"
#include "runtime/model/architecture.h"
#include "runtime/model/rope_table.h"

namespace regroup {
GroupingSearch search_of(const MergeSettings& settings, const ModelConfig& config) {
  if (settings.grouping) return *settings.grouping;
  const bool quick = config.most_kv_heads() <= 16 && config.hidden <= 2048;
  return needs_calibration(settings.method) && quick ? GroupingSearch::kMeasured : GroupingSearch::kContiguous;
}

bool merges_any_layer(const ModelOutline& outline, const MergeSettings& settings) {
  for (std::uint32_t l = 0; l < outline.config.layer_count(); ++l) {
    if (settings.groups[l] != outline.config.layers[l].kv_heads) return true;
  }
  return false;
}

bool needs_calibration(const std::string& method) {
  return method == kAutoMethod || merge_method_named(method).needs != MergeNeeds::kWeights;
}

bool fits_weights(const std::string& method) {
  return method == kAutoMethod || merge_method_named(method).needs == MergeNeeds::kActivations;
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
    if (const auto reason = refusal(*method, attention_shape(table, config, l))) {
      throw_error(ErrorCode::kUsage, "--method {}: layer {}: {}; choose mean, mean-norm, first, random or auto",
                  settings.method, l, *reason);
    }
  }
}

namespace {

// Sequences that the search for groups measures on: enough to tell groups apart, few enough for the host.
constexpr std::uint32_t kSearchSequences = 8;

class Walk {
 public:
  explicit Walk(const ConvertLayers& job)
      : job_(job),
        config_(job.outline.config),
        table_(job.file, job.outline.architecture->tensor_names(), config_.layer_count()) {}

  void run() {
    const std::uint32_t layers = config_.layer_count();
    std::uint32_t last_merged = 0;
    bool any = false;
    for (std::uint32_t l = 0; l < layers; ++l) {
      if (!merges(l)) continue;
      last_merged = l;
      any = true;
    }
    const bool calibrates = any && job_.text != nullptr;
    if (calibrates) begin_streams();
    for (std::uint32_t l = 0; l < layers; ++l) {
      check();
      report(l, 0);
      MergedLayer layer;
      if (calibrates && l <= last_merged) {
        layer = pass_layer(l, l == last_merged);
      } else {
        layer = merges(l) ? merge_weights(l) : untouched(l);
      }
      job_.sink(layer);
    }
    report(layers, 0);
  }

 private:
  bool merges(std::uint32_t l) const { return job_.settings.groups[l] != config_.layers[l].kv_heads; }

  void check() const {
    if (cancelled(job_.cancel)) throw_error(ErrorCode::kInterrupted, "stopped while merging layers");
  }

  void report(std::uint32_t l, double fraction) const {
    if (job_.progress) job_.progress("merging", (l + fraction) / config_.layer_count());
  }

  HeadGroups contiguous(std::uint32_t l) const {
    return HeadGroups::contiguous(config_.layers[l].kv_heads, job_.settings.groups[l]);
  }

  MergedLayer untouched(std::uint32_t l) const { return {.layer = l, .groups = contiguous(l), .method = "none"}; }

  MergeInput merge_input(std::uint32_t l) const {
    MergeInput input{.seed = job_.settings.seed, .layer = l, .cancel = job_.cancel};
    input.progress = [this, l](std::string_view, double fraction) { report(l, fraction); };
    return input;
  }

  // Without calibration text.
  MergedLayer merge_weights(std::uint32_t l) const {
    if (job_.finished) {
      if (auto done = job_.finished(l)) return std::move(*done);
    }
    MergedLayer out = untouched(l);
    const MergeMethod& method = merge_method_named(job_.settings.method);
    out.method = method.name;
    out.attention = method.merge(read_attention_layer(table_, config_, l), out.groups, merge_input(l));
    return out;
  }

  void begin_streams() {
    REGROUP_CHECK(job_.device != nullptr);
    teacher_.emplace(*job_.device, config_, *job_.text);
    student_.emplace(*job_.device, config_, *job_.text);
    normed_teacher_.emplace(*job_.device, config_, *job_.text);
    embed(*job_.device, job_.profile, job_.file, *job_.text, *teacher_, job_.cancel);
  }

  // Merges layer l where it is to be merged, and takes both streams through it.
  MergedLayer pass_layer(std::uint32_t l, bool last) {
    ResidentLayer resident(*job_.device, job_.profile, job_.file, l, *job_.text, job_.cancel);
    MergedLayer out = untouched(l);
    if (merges(l)) {
      auto done = job_.finished ? job_.finished(l) : std::nullopt;
      out = done ? std::move(*done) : merge_calibrated(l, resident);
    }
    if (last) return out;
    // The student is the teacher up to the first merged layer.
    if (!diverged_ && out.is_merged()) {
      student_->copy_from(*teacher_);
      diverged_ = true;
    }
    if (diverged_) resident.advance(*student_, out.is_merged() ? &out.attention : nullptr, job_.cancel);
    resident.advance(*teacher_, nullptr, job_.cancel);
    return out;
  }

  MergedLayer merge_calibrated(std::uint32_t l, ResidentLayer& resident) {
    const AttentionLayer source = read_attention_layer(table_, config_, l);
    if (source.qk_norm) return merge_behind_norms(l, source, resident);
    resident.normed_inputs(*teacher_, normed_teacher_->rows(), job_.cancel);
    Activations student_inputs = normed_teacher_->rows();
    if (diverged_) {
      if (!normed_student_) normed_student_.emplace(*job_.device, config_, *job_.text);
      resident.normed_inputs(*student_, normed_student_->rows(), job_.cancel);
      student_inputs = normed_student_->rows();
    }
    const CalibrationInputs inputs{.device = *job_.device,
                                   .profile = job_.profile,
                                   .source = source,
                                   .teacher = normed_teacher_->rows(),
                                   .student = student_inputs,
                                   .sequences = job_.text->sequences,
                                   .sequence_length = job_.text->sequence_length,
                                   .held_out = job_.text->held_out,
                                   .rope_table = resident.rope_table(),
                                   .window = resident.window(),
                                   .layer = l};
    LayerCalibration calibration(inputs, job_.cancel);
    MergeInput input = merge_input(l);
    input.statistics = &calibration.statistics();
    input.calibration = &calibration;
    const auto candidates = candidate_methods(job_.settings.method, source);
    return choose_merge(candidates, source, groups_for(l, source, calibration.statistics()), input,
                        [&](const AttentionLayer& merged) { return calibration.held_out_error(merged); });
  }

  HeadGroups groups_for(std::uint32_t l, const AttentionLayer& source, const LayerStatistics& statistics) {
    const std::uint32_t groups = job_.settings.groups[l];
    if (search_of(job_.settings, config_) == GroupingSearch::kContiguous || groups == 1) return contiguous(l);
    const RopeConfig& rope = config_.layers[l].local_rope ? config_.local_rope : config_.rope;
    const std::vector<float> table = make_rope_table(rope, config_.rotary_dims, job_.text->sequence_length);
    std::vector<Eigen::MatrixXd> inputs;
    const std::uint32_t count = std::min(kSearchSequences, job_.text->sequences - job_.text->held_out);
    for (std::uint32_t s = 0; s < count; ++s) inputs.push_back(on_host(normed_teacher_->sequence(s)));
    return measured_groups(source, groups, statistics, inputs, table, config_.layers[l].window, job_.cancel);
  }

  // One sequence, without the padding of its rows.
  Eigen::MatrixXd on_host(const Activations& rows) const {
    const std::size_t count = std::size_t{job_.text->sequence_length} * rows.stride;
    const BufferView view(*rows.buffer.buffer, rows.buffer.offset_bytes + rows.offset * 4ull, count * 4);
    const std::vector<float> values = download_values<float>(*job_.device, view, count);
    const Eigen::Map<const WeightRows, 0, Eigen::OuterStride<>> map(values.data(), job_.text->sequence_length,
                                                                    config_.hidden, Eigen::OuterStride<>(rows.stride));
    return map.cast<double>();
  }

  // Norms between the projections and the scores: candidates run as the model itself runs them, and the whole layer's
  // output is compared.
  MergedLayer merge_behind_norms(std::uint32_t l, const AttentionLayer& source, ResidentLayer& resident) {
    const CalibrationText& text = *job_.text;
    const std::uint32_t first = text.sequences - text.held_out;
    ResidualStreams judged(*job_.device, config_, text);
    judged.copy_from(*teacher_);
    resident.advance(judged, nullptr, job_.cancel, first);
    std::vector<Eigen::MatrixXd> wanted, before;
    for (std::uint32_t s = first; s < text.sequences; ++s) {
      wanted.push_back(on_host(judged.sequence(s)));
      before.push_back(on_host(teacher_->sequence(s)));
    }
    const auto error = [&](const AttentionLayer& merged) {
      judged.copy_from(diverged_ ? *student_ : *teacher_);
      resident.advance(judged, &merged, job_.cancel, first);
      double off = 0, all = 0;
      for (std::uint32_t s = first; s < text.sequences; ++s) {
        off += (on_host(judged.sequence(s)) - wanted[s - first]).squaredNorm();
        all += (before[s - first] - wanted[s - first]).squaredNorm();
      }
      check_finite(std::isfinite(all), l);
      return off / all;
    };
    const auto candidates = candidate_methods(job_.settings.method, source);
    return choose_merge(candidates, source, contiguous(l), merge_input(l), error);
  }

  const ConvertLayers& job_;
  const ModelConfig& config_;
  TensorTable table_;
  std::optional<ResidualStreams> teacher_, student_, normed_teacher_, normed_student_;
  bool diverged_ = false;
};

}  // namespace

void convert_layers(const ConvertLayers& job) {
  check_settings(job.file, job.outline, job.settings);
  REGROUP_CHECK(job.text != nullptr || !needs_calibration(job.settings.method) ||
                !merges_any_layer(job.outline, job.settings));
  Walk(job).run();
}

}  // namespace regroup
