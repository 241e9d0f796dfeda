#include "converter/convert_checkpoint.h"

#include <algorithm>
#include <system_error>

#include "converter/attention_layer_io.h"
#include "converter/checkpoint/check_target.h"
#include "converter/checkpoint/gguf_config.h"
#include "converter/checkpoint/hugging_face_config.h"
#include "converter/checkpoint/provenance.h"
#include "converter/checkpoint/remove_abandoned.h"
#include "converter/checkpoint/side_files.h"
#include "converter/checkpoint/write_checkpoint.h"
#include "converter/choose_merge.h"
#include "converter/joint_refinement.h"
#include "converter/merge.h"
#include "converter/source_checksum.h"
#include "converter/state_folder.h"
#include "runtime/core/digest.h"
#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/model/architecture.h"

namespace regroup {
namespace {

namespace fs = std::filesystem;

// Holds the place of the checksum while that is computed; of its length.
constexpr std::string_view kPendingChecksum = "checksum takes its place here . ";
static_assert(kPendingChecksum.size() == Digest::kCharacters);

bool is_mergeless(const ConvertCheckpoint& job, std::uint32_t l) {
  return job.settings.groups[l] == job.outline.config.layers[l].kv_heads;
}

// A method that merges from the weights alone can merge while writing; so can any where there is nothing to merge.
bool merges_while_writing(const ConvertCheckpoint& job) {
  if (!merges_any_layer(job.outline, job.settings)) return true;
  return !needs_calibration(job.settings.method) &&
         search_of(job.settings, job.outline.config) == GroupingSearch::kContiguous;
}

// Methods that leave the queries leave their order too: it changes only where others are tried beside them.
bool may_change_queries(const ConvertCheckpoint& job, const TensorTable& table, std::uint32_t l) {
  const auto candidates = candidate_methods(job.settings.method, attention_shape(table, job.outline.config, l));
  return std::any_of(candidates.begin(), candidates.end(),
                     [](const MergeMethod* method) { return method->changes_queries; });
}

std::vector<LayerChange> changes_of(const ConvertCheckpoint& job, const TensorTable& table) {
  std::vector<LayerChange> changes;
  for (std::uint32_t l = 0; l < job.outline.config.layer_count(); ++l) {
    const bool merges = !is_mergeless(job, l);
    changes.push_back({job.settings.groups[l], merges, merges && may_change_queries(job, table, l)});
  }
  return changes;
}

// How far the rows that a group shares are from the heads that they replace: |W_j - W'|^2 / |W_j|^2 over K and V.
double weight_error(const AttentionLayer& source, const AttentionLayer& merged, const HeadGroups& groups) {
  double off = 0, all = 0;
  const Eigen::Index head_dim = source.head_dim;
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    for (const std::uint32_t head : groups.groups[g]) {
      for (const auto member : {&AttentionLayer::key, &AttentionLayer::value}) {
        const auto rows = (source.*member).middleRows(head * head_dim, head_dim).cast<double>();
        off += (rows - (merged.*member).middleRows(g * head_dim, head_dim).cast<double>()).squaredNorm();
        all += rows.squaredNorm();
      }
    }
  }
  return all > 0 ? off / all : 0;
}

std::string members_text(const HeadGroups& groups) {
  std::vector<std::string> parts;
  for (const auto& group : groups.groups) parts.push_back(fmt::format("{}", fmt::join(group, ",")));
  return fmt::format("{}", fmt::join(parts, "|"));
}

// The report before anything is merged.
std::vector<LayerReport> lines_of(const ConvertCheckpoint& job) {
  std::vector<LayerReport> lines;
  for (std::uint32_t l = 0; l < job.outline.config.layer_count(); ++l) {
    const std::uint32_t heads = job.outline.config.layers[l].kv_heads, groups = job.settings.groups[l];
    lines.push_back({heads, groups, is_mergeless(job, l) ? "none" : job.settings.method, std::nullopt,
                     HeadGroups::contiguous(heads, groups)});
  }
  return lines;
}

// Where finished layers are kept until the output stands.
fs::path state_path(const ConvertCheckpoint& job) {
  return job.target.string() + ".regroup-state";
}

// What finished layers will take on the disk, those of an earlier run not counted. With the few MiB of models that are
// refined jointly, not to the byte.
std::uint64_t state_bytes(const ConvertCheckpoint& job) {
  const ModelConfig& config = job.outline.config;
  if (merges_while_writing(job)) return 0;
  std::uint64_t rows = 0;
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    if (!is_mergeless(job, l))
      rows += std::uint64_t{2} * config.head_dim * (config.query_heads + job.settings.groups[l]);
  }
  const std::uint64_t copies = refines_jointly(job.source, job.outline, job.settings) ? 2 : 1;
  const std::uint64_t all = copies * rows * config.hidden * sizeof(float), kept = StateFolder::bytes(state_path(job));
  return all > kept ? all - kept : 0;
}

// Everything that the merged layers depend on.
std::string state_key(const ConvertCheckpoint& job, const std::string& source_checksum) {
  const nlohmann::ordered_json key{
      {"version", 5},
      {"source_checksum", source_checksum},
      {"source_settings", settings_checksum(job.source, needs_calibration(job.settings.method))},
      {"groups", job.settings.groups},
      {"method", job.settings.method},
      {"grouping",
       search_of(job.settings, job.outline.config) == GroupingSearch::kMeasured ? "measured" : "contiguous"},
      {"seed", job.settings.seed},
      {"calibration", job.text_origin}};
  return key.dump();
}

// Refines all layers of `state` together and leaves them in `joint`; nothing to do where an earlier run did. Returns
// what came of it, in words.
std::optional<std::string> refine_into(const ConvertCheckpoint& job, const StateFolder& state,
                                       const StateFolder& joint) {
  std::vector<MergedLayer> layers;
  bool finished = true;
  for (std::uint32_t l = 0; l < job.outline.config.layer_count(); ++l) {
    finished = finished && joint.load_layer(l).has_value();
    auto layer = state.load_layer(l);
    if (!layer) {
      throw_error(ErrorCode::kFailed, "the finished layer {} is gone from '{}'; run the same command again", l,
                  escaped(state.path().string()));
    }
    layers.push_back(std::move(*layer));
  }
  if (finished) return std::nullopt;
  const CalibrationText text = joint.text(job.make_joint_text);
  const JointOutcome outcome = refine_jointly({.device = *job.device,
                                               .profile = job.profile,
                                               .file = job.source,
                                               .outline = job.outline,
                                               .text = text,
                                               .seed = job.settings.seed,
                                               .progress = job.progress,
                                               .cancel = job.cancel},
                                              layers);
  for (const MergedLayer& layer : layers) joint.save_layer(layer);
  return fmt::format(
      "all layers refined together on {} tokens: divergence from the original {:.3f} -> {:.3f} nats per token of text "
      "that this was not fitted to; the layers' errors are those before",
      text.tokens.size(), outcome.before, outcome.after);
}

}  // namespace

CheckpointPlan check_conversion(const ConvertCheckpoint& job) {
  check_settings(job.source, job.outline, job.settings);
  check_target(job.source, job.target, job.output.kind, job.overwrite);
  const TensorTable table(job.source, job.outline.architecture->tensor_names(), job.outline.config.layer_count());
  CheckpointPlan plan = plan_checkpoint(table, job.outline, changes_of(job, table), job.output);
  if (!job.outline.unused_tensors.empty()) plan.notes.push_back(job.outline.remark() + " and so not written");
  // Made for what they refuse.
  if (plan.kind == ModelFileKind::kGguf) {
    GgufMetadata metadata = gguf_metadata_for(job.source, job.outline, job.settings.groups, plan);
    add_tokenizer_keys(metadata, job.source, job.outline.config, job.without_tokenizer, plan);
  } else {
    (void)hugging_face_config_for(job.source, job.outline, job.settings.groups, plan);
    (void)tokenizer_files(job.source, job.outline.config, job.without_tokenizer, plan);
  }
  check_space(job.target, plan.data_bytes() + state_bytes(job));
  return plan;
}

ConvertReport outline_conversion(const ConvertCheckpoint& job) {
  const ModelConfig& config = job.outline.config;
  const CheckpointPlan plan = check_conversion(job);
  ConvertReport report{.layers = lines_of(job), .bytes_in = job.source.file_bytes(), .bytes_out = plan.data_bytes()};
  report.notes = plan.notes;
  report.notes.emplace_back("errors are those of mean pooling's K and V rows, an estimate that needs no calibration");
  const TensorTable table(job.source, job.outline.architecture->tensor_names(), config.layer_count());
  for (std::uint32_t l = 0; l < config.layer_count(); ++l) {
    if (is_mergeless(job, l)) continue;
    const AttentionLayer source = read_keys_and_values(table, config, l);
    LayerReport& line = report.layers[l];
    line.error =
        weight_error(source, merge_method_named("mean").merge(source, line.members, {.layer = l}), line.members);
  }
  return report;
}

ConvertReport convert_checkpoint(const ConvertCheckpoint& job) {
  ConvertReport report;
  const ModelConfig& config = job.outline.config;
  remove_abandoned(job.target);
  CheckpointPlan plan = check_conversion(job);
  report.notes = plan.notes;
  report.bytes_in = job.source.file_bytes();
  const TensorTable table(job.source, job.outline.architecture->tensor_names(), config.layer_count());
  // Finished layers are known by the checksum; where there are none it is computed while the output is written.
  std::optional<BackgroundChecksum> background;
  std::string source_checksum = job.source_checksum;
  if (source_checksum.empty() && merges_while_writing(job)) {
    source_checksum = std::string(kPendingChecksum);
    background.emplace(job.source);
  } else if (source_checksum.empty()) {
    source_checksum = checksum(job.source, job.progress, job.cancel);
  }

  report.layers = lines_of(job);
  std::optional<StateFolder> state, joint;
  if (!merges_while_writing(job)) {
    state.emplace(state_path(job), state_key(job, source_checksum));
    ConvertLayers layers{.file = job.source, .outline = job.outline, .settings = job.settings};
    std::optional<CalibrationText> text;
    if (job.make_text && merges_any_layer(job.outline, job.settings)) {
      text = state->text(job.make_text);
      layers.text = &*text;
    }
    layers.device = job.device;
    layers.profile = job.profile;
    layers.finished = [&](std::uint32_t l) { return state->load_layer(l); };
    layers.sink = [&](const MergedLayer& layer) {
      if (!state->has_layer(layer.layer)) state->save_layer(layer);
      LayerReport& line = report.layers[layer.layer];
      line.method = layer.method;
      line.error = layer.error;
      line.members = layer.groups;
    };
    layers.progress = job.progress;
    layers.cancel = job.cancel;
    convert_layers(layers);
    if (job.make_joint_text && merges_any_layer(job.outline, job.settings)) {
      joint.emplace(state->path() / "joint", state_key(job, source_checksum));
      if (auto note = refine_into(job, *state, *joint)) report.notes.push_back(std::move(*note));
    }
  }

  Provenance provenance{.source_name = job.source.path().filename().string(),
                        .source_checksum = source_checksum,
                        .method = job.settings.method,
                        .seed = job.settings.seed,
                        .calibration = job.text_origin};
  for (const LayerReport& layer : report.layers) {
    provenance.source_groups.push_back(layer.source_groups);
    provenance.groups.push_back(layer.groups);
    provenance.methods.push_back(layer.method);
    provenance.errors.push_back(layer.error);
    provenance.members.push_back(layer.method == "none" ? "" : members_text(layer.members));
  }

  WriteCheckpoint write{.source = job.source, .config = config, .plan = plan, .target = job.target};
  write.overwrite = job.overwrite;
  if (background) write.late_text = {std::string(kPendingChecksum), [&] { return background->wait(); }};
  write.progress = job.progress;
  write.cancel = job.cancel;
  CheckpointPlan unused_notes = plan;
  if (plan.kind == ModelFileKind::kGguf) {
    write.metadata = gguf_metadata_for(job.source, job.outline, job.settings.groups, unused_notes);
    add_tokenizer_keys(write.metadata, job.source, config, job.without_tokenizer, unused_notes);
    add_provenance(write.metadata, provenance);
  } else {
    write.hugging_face = hugging_face_config_for(job.source, job.outline, job.settings.groups, unused_notes);
    write.hugging_face["regroup"] = provenance_json(provenance);
    write.files = tokenizer_files(job.source, config, job.without_tokenizer, unused_notes);
  }
  write.merged_layer = [&](std::uint32_t l) -> AttentionLayer {
    if (state) {
      const StateFolder& finished = joint ? *joint : *state;
      auto layer = finished.load_layer(l);
      if (!layer) {
        throw_error(ErrorCode::kFailed, "the finished layer {} is gone from '{}'; run the same command again", l,
                    escaped(finished.path().string()));
      }
      return std::move(layer->attention);
    }
    LayerReport& line = report.layers[l];
    const MergeMethod& method = merge_method_named(job.settings.method);
    const AttentionLayer source =
        method.changes_queries ? read_attention_layer(table, config, l) : read_keys_and_values(table, config, l);
    MergeInput input{.seed = job.settings.seed, .layer = l, .cancel = job.cancel};
    AttentionLayer merged = method.merge(source, line.members, input);
    if (!method.changes_queries) line.error = weight_error(source, merged, line.members);
    return merged;
  };
  report.bytes_out = write_checkpoint(write);
  if (state) state->discard();
  return report;
}

}  // namespace regroup
