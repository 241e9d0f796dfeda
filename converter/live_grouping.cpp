#include "converter/live_grouping.h"

#include <algorithm>
#include <system_error>

#include "converter/budget.h"
#include "converter/convert_checkpoint.h"
#include "converter/grouping_file.h"
#include "converter/joint_refinement.h"
#include "converter/measure_damage.h"
#include "converter/merge.h"
#include "converter/source_checksum.h"
#include "runtime/core/digest.h"
#include "runtime/core/error.h"
#include "runtime/file/mapped_file.h"
#include "runtime/file/replace_file.h"

namespace regroup {
namespace {

// Raised when methods change what they make of the same input.
constexpr int kRecipe = 5;

// By which measure_damage judges layers; it needs calibration.
constexpr std::string_view kBudgetMethod = "svd";

// Names the result: the source's weights and config, the plan, the method and its settings. Calibration counts where it
// is used.
std::string key_of(const LiveGrouping& job) {
  const MergeSettings& s = job.settings;
  std::string text = fmt::format("recipe {}\nmodel {} {}\nmethod {}\ngroups {}\ngrouping {}\nseed {}\n", kRecipe,
                                 checksum(job.file, job.progress, job.cancel),
                                 settings_checksum(job.file, needs_calibration(s.method)), s.method,
                                 fmt::join(s.groups, ","), static_cast<int>(search_of(s, job.outline.config)), s.seed);
  if (needs_calibration(s.method)) {
    text += fmt::format("calibration {} of {} held out {} from {}\n", job.calibration.tokens,
                        job.calibration.sequence_length, job.calibration.held_out_share,
                        job.calibration_text ? digest_of(*job.calibration_text) : "the model");
  }
  return digest_of(text);
}

std::filesystem::path path_of(const LiveGrouping& job, const std::string& key) {
  return job.cache_folder / "groupings" / (key + ".grouping");
}

// The precision on the device: what a quantised source gives in f16 is exact enough.
WeightFormat stored_format(const Model& model) {
  return model.layer(0).query.matrix.format == WeightFormat::kF32 ? WeightFormat::kF32 : WeightFormat::kF16;
}

CalibrationText calibration_for(const LiveGrouping& job, const CalibrationSize& size, std::uint64_t seed) {
  const ModelConfig& config = job.outline.config;
  if (job.calibration_text) {
    if (job.tokenizer == nullptr) {
      throw_error(ErrorCode::kUsage, "{} has no tokenizer, so that no text can be used for calibration",
                  job.file.path().string());
    }
    return calibration_from_text(*job.tokenizer, config, *job.calibration_text, size);
  }
  return calibration_sampled(job.model, first_token(job.file, job.tokenizer), size, seed, job.progress, job.cancel);
}

// For the layers one by one.
CalibrationText layer_text(const LiveGrouping& job) {
  CalibrationSize size = job.calibration;
  size.fits_weights = fits_weights(job.settings.method);
  size.most_tokens = most_calibration_tokens(job.model.device(), job.outline.config);
  if (const auto remark = cut_remark(size); remark && job.remark) job.remark(*remark);
  return calibration_for(job, size, job.settings.seed);
}

// What an earlier run planned, if it is there and fits the model; at most a few numbers per layer are read.
std::optional<std::vector<std::uint32_t>> kept_groups(const LiveGrouping& job, const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error || size == 0 || size > job.outline.config.layers.size() * 5) return std::nullopt;
  try {
    const MappedFile file = MappedFile::open(path);
    const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
    const auto groups = GroupPlan::parse_groups(text);
    if (groups.size() != job.outline.config.layers.size()) return std::nullopt;
    return GroupPlan::contiguous(job.outline.config, groups, PoolMethod::kMean).groups();
  } catch (const Error& problem) {
    if (job.remark) job.remark(fmt::format("{} is not used: {}", escaped(path.string()), problem.what()));
    return std::nullopt;
  }
}

std::unique_ptr<Grouping> own_grouping(const LiveGrouping& job) {
  return std::make_unique<Grouping>(job.model, GroupPlan::identity(job.outline.config));
}

std::unique_ptr<Grouping> from_cache(const LiveGrouping& job, const std::filesystem::path& path,
                                     const std::string& key) {
  std::error_code error;
  if (job.cache_folder.empty() || !std::filesystem::exists(path, error)) return nullptr;
  try {
    auto grouping = own_grouping(job);
    read_grouping_file(path, key, job.outline.config,
                       [&](const StoredLayer& layer) { grouping->replace(layer.layer, layer.projections()); });
    return grouping;
  } catch (const Error& problem) {
    if (problem.code() != ErrorCode::kBadModel && problem.code() != ErrorCode::kFailed) throw;
    if (job.remark) job.remark(fmt::format("{}; it is not used, and made again", problem.what()));
    return nullptr;
  }
}

// Writes the cache file beside the merging; a full disk ends only the writing.
class CacheWriter {
 public:
  CacheWriter(const LiveGrouping& job, const std::filesystem::path& path, const std::string& key, WeightFormat format,
              std::uint32_t layers)
      : job_(job), path_(path) {
    if (job.cache_folder.empty()) return;
    attempt([&] {
      std::filesystem::create_directories(path.parent_path());
      writer_.emplace(path, key, format, layers);
    });
  }
  void add(const StoredLayer& layer) {
    if (writer_) attempt([&] { writer_->add(layer); });
  }
  void finish() {
    if (writer_) attempt([&] { writer_->finish(); });
  }

 private:
  template <typename Work>
  void attempt(const Work& work) {
    try {
      work();
    } catch (const std::exception& problem) {
      writer_.reset();
      if (job_.remark) {
        job_.remark(fmt::format("the merged layers are not kept in {}: {}", escaped(path_.string()), problem.what()));
      }
    }
  }

  const LiveGrouping& job_;
  std::filesystem::path path_;
  std::optional<GroupingFileWriter> writer_;
};

}  // namespace

bool is_instant(std::string_view method) {
  return method == "mean" || method == "first" || method == "random";
}

std::vector<std::uint32_t> groups_for_budget(const LiveGrouping& job, std::uint64_t bytes_per_token) {
  check_budget(job.outline.config, bytes_per_token);
  LiveGrouping named = job;
  named.settings = {.method = std::string(kBudgetMethod)};
  named.settings.groups = {};
  const std::string key = digest_of(fmt::format("budget {} of {}", bytes_per_token, key_of(named)));
  const std::filesystem::path path = path_of(job, key).replace_extension(".groups");
  if (!job.cache_folder.empty()) {
    if (auto kept = kept_groups(job, path)) return *kept;
  }
  const CalibrationText text = layer_text(named);
  const auto options = measure_damage({.file = job.file,
                                       .outline = job.outline,
                                       .text = text,
                                       .device = job.model.device(),
                                       .profile = job.model.profile(),
                                       .progress = job.progress,
                                       .cancel = job.cancel});
  const BudgetPlan plan = plan_for_budget(options, bytes_per_token);
  if (!job.cache_folder.empty()) {
    const std::string line = fmt::format("{}", fmt::join(plan.groups, ","));
    try {
      std::filesystem::create_directories(path.parent_path());
      replace_file(path, line);
    } catch (const std::exception& problem) {
      if (job.remark) job.remark(fmt::format("the plan is not kept: {}", problem.what()));
    }
  }
  return plan.groups;
}

std::filesystem::path live_grouping_path(const LiveGrouping& job) {
  return path_of(job, key_of(job));
}

std::unique_ptr<Grouping> make_live_grouping(const LiveGrouping& job) {
  const ModelConfig& config = job.outline.config;
  const MergeSettings& settings = job.settings;
  if (is_instant(settings.method)) {
    return std::make_unique<Grouping>(
        job.model,
        GroupPlan::contiguous(config, settings.groups, pool_method_from_name(settings.method), settings.seed));
  }
  check_settings(job.file, job.outline, settings);
  const auto merged_layers = static_cast<std::uint32_t>(std::count_if(
      config.layers.begin(), config.layers.end(),
      [&, l = std::size_t{0}](const LayerConfig& layer) mutable { return layer.kv_heads != settings.groups[l++]; }));
  if (merged_layers == 0) return own_grouping(job);

  const std::string key = key_of(job);
  const std::filesystem::path path = path_of(job, key);
  if (auto cached = from_cache(job, path, key)) return cached;
  if (job.remark) {
    job.remark(
        fmt::format("merging {} layers by {}; the result is kept for the next time", merged_layers, settings.method));
  }
  std::optional<CalibrationText> text;
  if (needs_calibration(settings.method)) text = layer_text(job);
  auto grouping = own_grouping(job);
  const WeightFormat format = stored_format(job.model);
  CacheWriter writer(job, path, key, format, merged_layers);
  const auto keep = [&](const MergedLayer& layer) {
    if (!layer.is_merged()) return;
    const StoredLayer stored = store_layer(layer, format);
    grouping->replace(layer.layer, stored.projections());
    writer.add(stored);
  };
  const bool refines = refines_jointly(job.file, job.outline, settings);
  std::vector<MergedLayer> layers;  // where they are refined together: all of them
  convert_layers({.file = job.file,
                  .outline = job.outline,
                  .settings = settings,
                  .text = text ? &*text : nullptr,
                  .device = &job.model.device(),
                  .profile = job.model.profile(),
                  .sink =
                      [&](const MergedLayer& layer) {
                        if (refines) {
                          layers.push_back(layer);
                        } else {
                          keep(layer);
                        }
                      },
                  .progress = job.progress,
                  .cancel = job.cancel});
  if (refines) {
    const CalibrationText joint =
        calibration_for(job, joint_size(config, settings, job.calibration), joint_seed(settings.seed));
    refine_jointly({.device = job.model.device(),
                    .profile = job.model.profile(),
                    .file = job.file,
                    .outline = job.outline,
                    .text = joint,
                    .seed = settings.seed,
                    .progress = job.progress,
                    .cancel = job.cancel},
                   layers);
    for (const MergedLayer& layer : layers) keep(layer);
  }
  writer.finish();
  return grouping;
}

}  // namespace regroup
