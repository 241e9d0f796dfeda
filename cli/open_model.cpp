#include "cli/open_model.h"

#include "converter/live_grouping.h"
#include "runtime/core/error.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/model/finite_weights.h"
#include "runtime/model/kv_cache.h"
#include "runtime/selftest/trusted_kernels.h"

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

// From the device on: what is opened again after it was lost.
void open_on_device(OpenModel& opened, const OpenOptions& options) {
  const ModelConfig& config = opened.outline.config;
  const CacheType cache_type = options.cache_type();
  const bool quiet = options.device.quiet;
  opened.device = options.device.open(*opened.instance);
  opened.profile =
      options.device.profile(*opened.device, tuning::shape_of(opened.file), kernel_needs(opened.file, options));
  const std::uint32_t context =
      options.context != 0 ? options.context : std::min(config.context_length, kDefaultContext);
  opened.memory = plan_memory(*opened.device, opened.profile, opened.file, opened.outline,
                              options.groups.per_layer(config), cache_type, context, options.prefill_chunk);
  if (!quiet) note(opened.memory.describe());
  require_fit(opened.memory, config, cache_type);
  within_memory(opened, cache_type, [&] {
    opened.model =
        Model::load(*opened.device, opened.profile, opened.file, progress_on_stderr(quiet), &interrupt_flag());
    const std::vector<std::uint32_t> groups = resolve_groups(opened, options.groups, quiet);
    opened.grouping = make_grouping(opened, options.groups, groups, quiet);
  });
}

}  // namespace

selftest::KernelNeeds kernel_needs(const ModelFile& file, const OpenOptions& options) {
  const GroupsChoice& choice = options.groups;
  const CacheType type = options.cache_type();
  const bool regroups = !choice.groups.empty() || options.compares_groups;
  auto needs = selftest::kernel_needs(file, type, regroups);
  needs.calibrating = regroups && (choice.budget() || !is_instant(choice.method));
  needs.logits_compared = needs.calibrating || options.compares_groups;
  if (options.compares_groups && type != CacheType::kF32) needs.cache_types.push_back(CacheType::kF32);
  return needs;
}

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
  if (!opened.outline.unused_tensors.empty() && !options.device.quiet) note(opened.outline.remark());
  check_cache_type(config, cache_type);
  if (!is_instant(options.groups.method)) {
    check_settings(opened.file, opened.outline,
                   {.method = options.groups.method, .groups = options.groups.per_layer(config)});
  }
  opened.tokenizer = load_tokenizer(opened.file, config.vocabulary);
  if (!opened.tokenizer && options.reads_text) {
    throw_error(ErrorCode::kBadModel,
                "{}: has no tokenizer, so that no text can be read; `run` and `logits` take ids with --tokens",
                escaped(opened.file.path().string()));
  }
  if (opened.tokenizer && !opened.tokenizer->warning().empty() && !options.device.quiet)
    note(opened.tokenizer->warning());

  opened.instance = std::make_unique<Instance>();
  open_on_device(opened, options);
  if (is_instant(options.groups.method) && !opened.grouping->is_identity() && !options.device.quiet) {
    note(
        fmt::format("{} pooling is instant, but without training it costs much quality (`regroup eval --groups {}` "
                    "measures it); --method auto loses far less and takes its time only once",
                    options.groups.method, groups_text(opened.grouping->plan().groups())));
  }
  return opened;
}

bool make_ready_again(OpenModel& opened, OpenOptions& options, const Error& failure) {
  const bool quiet = options.device.quiet;
  if (failure.code() == ErrorCode::kNotANumber) {
    check_finite_weights(opened.file, &interrupt_flag());  // then no cache helps
    if (options.cache_type() == CacheType::kF32) return false;
    if (!quiet) note(fmt::format("{}; once more with --kv f32", failure.what()));
    options.kv = "f32";
    selftest::require_kernels(*opened.device, opened.profile, kernel_needs(opened.file, options));
    return true;
  }
  if (!quiet) note(failure.what());
  opened.grouping.reset();
  opened.model.reset();
  opened.device.reset();
  options.device.max_submit_ms *= kSubmitShareAfterLoss;
  open_on_device(opened, options);
  if (quiet) return true;
  note(fmt::format("opened {} again, with submissions of at most {} ms; going on", opened.device->info().name,
                   options.device.max_submit_ms));
  return true;
}

LastingSession::LastingSession(OpenModel& opened, OpenOptions& options, const SamplingSettings& sampling,
                               StepObserver observer)
    : opened_(opened), options_(options), sampling_(sampling), observer_(std::move(observer)) {
  start();
}

void LastingSession::start() {
  const CacheType type = options_.cache_type();
  within_memory(opened_, type, [&] {
    session_.emplace(*opened_.model, *opened_.grouping,
                     SessionOptions{.context = options_.context, .cache_type = type, .sampling = sampling_});
    if (observer_.on_step) session_->observe(observer_);
  });
}

Session* LastingSession::recover(const Error& failure) {
  session_.reset();
  if (!make_ready_again(opened_, options_, failure)) return nullptr;
  start();
  return &*session_;
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
