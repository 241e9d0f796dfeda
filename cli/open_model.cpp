#include "cli/open_model.h"

#include "converter/live_grouping.h"
#include "runtime/core/error.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/model/kv_cache.h"

namespace regroup::cli {

namespace {

LiveGrouping live_grouping(const OpenModel& opened, const GroupsChoice& choice,
                           const std::vector<std::uint32_t>& groups, bool quiet) {
  LiveGrouping job{.file = opened.file,
                   .outline = opened.outline,
                   .model = *opened.model,
                   .tokenizer = opened.tokenizer ? &*opened.tokenizer : nullptr,
                   .settings = {.method = choice.method, .groups = groups},
                   .cache_folder = cache_directory(),
                   .progress = progress_on_stderr(quiet),
                   .cancel = &interrupt_flag()};
  if (is_instant(choice.method)) job.settings.seed = choice.seed;
  if (!choice.calibrate.empty()) job.calibration_text = read_text_file(choice.calibrate);
  job.calibration.tokens = choice.calibration_tokens;
  if (!quiet) job.remark = note;
  return job;
}

}  // namespace

CacheType OpenOptions::cache_type() const {
  const auto type = cache_type_from_name(kv);
  if (!type)
    throw_error(ErrorCode::kUsage, "--kv {}: unknown cache type; known are f32, f16, q8_0 and q4_0", escaped(kv));
  return *type;
}

OpenModel open_model(const OpenOptions& options) {
  const CacheType cache_type = options.cache_type();
  OpenModel opened{.file = ModelFile::open(locate_model(options.model))};
  opened.outline = read_outline(opened.file);
  const ModelConfig& config = opened.outline.config;
  check_cache_type(config, cache_type);
  std::vector<std::uint32_t> groups = options.groups.per_layer(config);
  if (!is_instant(options.groups.method)) {
    check_settings(opened.file, opened.outline, {.method = options.groups.method, .groups = groups});
  }
  opened.tokenizer = load_tokenizer(opened.file, config.vocabulary);
  if (opened.tokenizer && !opened.tokenizer->warning().empty() && !options.device.quiet)
    note(opened.tokenizer->warning());

  opened.instance = std::make_unique<Instance>();
  opened.device = options.device.open(*opened.instance);
  opened.profile = options.device.profile(*opened.device);
  const std::uint32_t context =
      options.context != 0 ? options.context : std::min(config.context_length, kDefaultContext);
  const MemoryPlan memory = plan_memory(*opened.device, opened.profile, opened.file, opened.outline, groups, cache_type,
                                        context, options.prefill_chunk);
  if (!options.device.quiet) note(memory.describe());
  require_fit(memory, config, cache_type);
  opened.model = Model::load(*opened.device, opened.profile, opened.file, progress_on_stderr(options.device.quiet),
                             &interrupt_flag());
  groups = resolve_groups(opened, options.groups, options.device.quiet);
  opened.grouping = make_grouping(opened, options.groups, groups, options.device.quiet);
  if (is_instant(options.groups.method) && !opened.grouping->is_identity() && !options.device.quiet) {
    note(
        fmt::format("{} pooling is instant, but without training it costs much quality (`regroup eval --groups {}` "
                    "measures it); --method auto loses far less and takes its time only once",
                    options.groups.method, groups_text(groups)));
  }
  return opened;
}

std::vector<std::uint32_t> resolve_groups(const OpenModel& opened, const GroupsChoice& choice, bool quiet) {
  const std::vector<std::uint32_t> groups = choice.per_layer(opened.outline.config);
  const auto budget = choice.budget();
  return budget ? groups_for_budget(live_grouping(opened, choice, groups, quiet), *budget) : groups;
}

std::unique_ptr<Grouping> make_grouping(const OpenModel& opened, const GroupsChoice& choice,
                                        const std::vector<std::uint32_t>& groups, bool quiet) {
  return make_live_grouping(live_grouping(opened, choice, groups, quiet));
}

}  // namespace regroup::cli
