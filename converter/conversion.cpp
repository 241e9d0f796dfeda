#include "converter/conversion.h"

#include <algorithm>
#include <span>
#include <utility>

#include "converter/budget.h"
#include "converter/checkpoint/check_target.h"
#include "converter/joint_refinement.h"
#include "converter/measure_damage.h"
#include "converter/source_checksum.h"
#include "converter/state_folder.h"
#include "runtime/core/digest.h"
#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/model/finite_weights.h"
#include "runtime/model/group_plan.h"

namespace regroup {
namespace {

std::vector<std::uint32_t> groups_for(const ModelConfig& config, const std::string& text) {
  std::vector<std::uint32_t> groups = GroupPlan::parse_groups(text);
  if (groups.size() == 1) groups.assign(config.layer_count(), groups[0]);
  return groups;
}

std::optional<WeightFormat> type_for(const std::string& name) {
  if (name.empty()) return std::nullopt;
  const auto format = weight_format_from_name(name);
  if (!format) {
    throw_error(ErrorCode::kUsage, "--type {}: unknown; choose f32, f16, bf16, q8_0, q4_0 or q4_1", escaped(name));
  }
  return format;
}

ModelFileKind kind_of(const std::string& output) {
  return output.ends_with(".gguf") ? ModelFileKind::kGguf : ModelFileKind::kHuggingFace;
}

std::optional<GroupingSearch> search_for(const Conversion& conversion) {
  if (conversion.grouping == "contiguous") return GroupingSearch::kContiguous;
  if (conversion.grouping == "measured") {
    if (!needs_calibration(conversion.method)) {
      throw_error(ErrorCode::kUsage,
                  "--grouping measured: {} uses no calibration text to measure on; choose svd, fit, "
                  "refine or auto",
                  conversion.method);
    }
    return GroupingSearch::kMeasured;
  }
  if (conversion.grouping != "auto") {
    throw_error(ErrorCode::kUsage, "--grouping {}: unknown; choose contiguous, measured or auto",
                escaped(conversion.grouping));
  }
  return std::nullopt;
}

struct Calibration {
  std::function<CalibrationText()> make_text;
  std::string origin;
};

// Of the text for the layers one by one.
CalibrationSize layer_size(const Conversion& conversion, const ModelConfig& config, const Device& device) {
  CalibrationSize size = conversion.size;
  size.most_tokens = most_calibration_tokens(device, config);
  size.fits_weights = fits_weights(conversion.method);
  return size;
}

// How `text` (its tokens may be missing) is cut, in words.
std::string cut_of(const CalibrationText& text) {
  return fmt::format("{} tokens in sequences of {}, {} of {} held out", text.sequences * text.sequence_length,
                     text.sequence_length, text.held_out, text.sequences);
}

void add_note(std::vector<std::string>& notes, std::string note) {
  if (!note.empty() && std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
}

// `opened` must outlive what is returned. `notes` gets lines for the user.
Calibration calibration_for(const Conversion& conversion, const ModelFile& file, const ModelOutline& outline,
                            const ConversionDevice& opened, const CalibrationSize& size, std::uint64_t seed,
                            std::vector<std::string>& notes) {
  const CalibrationText shape = size.shape(outline.config);
  if (conversion.calibration_text) {
    const std::string& text = *conversion.calibration_text;
    const auto tokenizer = load_tokenizer(file, outline.config.vocabulary);
    if (!tokenizer) {
      throw_error(ErrorCode::kUsage, "--calibrate: {} has no tokenizer to read a text with; leave --calibrate out",
                  file.path().string());
    }
    add_note(notes, tokenizer->warning());
    const CalibrationText ready = calibration_from_text(*tokenizer, outline.config, text, size);
    if (ready.sequences < shape.sequences) {
      add_note(notes, fmt::format("the calibration text is short: {} tokens of it are used, {} would be",
                                  ready.tokens.size(), shape.sequences * shape.sequence_length));
    }
    return {[ready] { return ready; }, fmt::format("text with XXH128 {}, {}", digest_of(text), cut_of(ready))};
  }
  const auto sample = [&conversion, &file, &outline, &opened, size, seed] {
    const auto tokenizer = load_tokenizer(file, outline.config.vocabulary);
    const auto model = Model::load(*opened.device, opened.profile, file, conversion.progress, conversion.cancel);
    return calibration_sampled(*model, first_token(file, tokenizer ? &*tokenizer : nullptr), size, seed,
                               conversion.progress, conversion.cancel);
  };
  return {sample, fmt::format("sampled from the model itself with seed {}, {}", seed, cut_of(shape))};
}

// Everything that the plan for a budget depends on.
std::string budget_key(std::uint64_t budget, const ConvertCheckpoint& job, const std::string& text_origin) {
  const nlohmann::ordered_json key{{"version", 1},
                                   {"source_checksum", job.source_checksum},
                                   {"source_settings", settings_checksum(job.source, true)},
                                   {"budget", budget},
                                   {"calibration", text_origin}};
  return key.dump();
}

// Groups per layer that lose least within the budget, from `kept` (null: there is none) where an earlier run left them.
// `notes` gets a line for the user.
std::vector<std::uint32_t> plan_budget(std::uint64_t budget, const ConvertCheckpoint& job,
                                       const std::function<CalibrationText()>& make_text, const StateFolder* kept,
                                       std::vector<std::string>& notes) {
  std::optional<BudgetPlan> plan = kept != nullptr ? kept->load_plan() : std::nullopt;
  if (!plan) {
    const CalibrationText text = make_text();
    plan = plan_for_budget(measure_damage({.file = job.source,
                                           .outline = job.outline,
                                           .text = text,
                                           .device = *job.device,
                                           .profile = job.profile,
                                           .progress = job.progress,
                                           .cancel = job.cancel}),
                           budget);
    if (kept != nullptr) kept->save_plan(*plan);
  }
  notes.push_back(fmt::format(
      "budget of {} bytes per token (f16): groups {} take {}; the layers' damages, each measured alone with "
      "svd, sum to a KL divergence of {:.4g} per token",
      budget, fmt::join(plan->groups, ","), plan->bytes_per_token, plan->damage));
  return plan->groups;
}

}  // namespace

namespace {

ConversionResult convert_opened(const Conversion& conversion, const ModelFile& file) {
  const std::filesystem::path output = named_path(conversion.output);
  const ModelOutline outline = read_outline(file);
  const ModelConfig& config = outline.config;
  const auto budget = groups_budget(conversion.groups);
  ConvertCheckpoint job{.source = file, .outline = outline};
  job.settings.method = conversion.method;
  job.settings.seed = conversion.seed;
  job.settings.grouping = search_for(conversion);
  if (budget) {
    check_budget(config, *budget);
    // Until it is shared out: what not even the fewest groups may have is refused before they are measured.
    job.settings.groups.assign(config.layer_count(), 1);
  } else {
    job.settings.groups = groups_for(config, conversion.groups);
  }
  job.output = {.kind = kind_of(output.string()), .type = type_for(conversion.type)};
  job.target = output;
  job.overwrite = conversion.overwrite ? Overwrite::kYes : Overwrite::kNo;
  job.without_tokenizer = conversion.without_tokenizer;
  job.progress = conversion.progress;
  job.cancel = conversion.cancel;
  (void)check_conversion(job);

  ConversionDevice opened;
  std::optional<StateFolder> kept;  // what a budget's plan took; layers have their own
  std::vector<std::string> notes;
  const auto calibrates = [&] {
    return needs_calibration(conversion.method) && merges_any_layer(outline, job.settings);
  };
  if (budget || (calibrates() && !conversion.dry_run)) {
    opened = conversion.open_device(file);
    job.device = opened.device;
    job.profile = opened.profile;
    const CalibrationSize size = layer_size(conversion, config, *opened.device);
    if (auto remark = cut_remark(size)) notes.push_back(std::move(*remark));
    Calibration calibration = calibration_for(conversion, file, outline, opened, size, conversion.seed, notes);
    if (budget) {
      if (!conversion.dry_run) {
        job.source_checksum = checksum(file, job.progress, job.cancel);
        kept.emplace(output.string() + ".regroup-budget", budget_key(*budget, job, calibration.origin));
        calibration.make_text = [&kept, make = calibration.make_text] { return kept->text(make); };
      }
      job.settings.groups = plan_budget(*budget, job, calibration.make_text, kept ? &*kept : nullptr, notes);
      (void)check_conversion(job);
    }
    if (calibrates()) {
      job.make_text = calibration.make_text;
      job.text_origin = calibration.origin;
      if (refines_jointly(file, outline, job.settings)) {
        const Calibration joint =
            calibration_for(conversion, file, outline, opened, joint_size(config, job.settings, conversion.size),
                            joint_seed(conversion.seed), notes);
        job.make_joint_text = joint.make_text;
        job.text_origin += "; for all layers together " + joint.origin;
      }
    }
  }
  ConversionResult result{.config = config,
                          .report = conversion.dry_run ? outline_conversion(job) : convert_checkpoint(job),
                          .groups = job.settings.groups};
  if (kept) kept->discard();
  result.report.notes.insert(result.report.notes.begin(), notes.begin(), notes.end());
  return result;
}

}  // namespace

ConversionResult run_conversion(const Conversion& conversion) {
  const ModelFile file = ModelFile::open(named_path(conversion.input));
  return blaming_weights(file, conversion.cancel, [&] { return convert_opened(conversion, file); });
}

}  // namespace regroup
