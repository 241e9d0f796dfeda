// regroup convert: a checkpoint with fewer KV heads, written to disk.
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "cli/command.h"
#include "converter/convert_checkpoint.h"
#include "converter/measure_damage.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/core/sha256.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::cli {
namespace {

constexpr std::string_view kBudget = "budget:";

struct ConvertOptions {
  std::string input, output, groups, method = "auto", grouping = "auto", calibrate, type;
  CalibrationSize size;
  std::uint64_t seed = 0;
  bool force = false, dry_run = false, without_tokenizer = false, json = false;
  DeviceChoice device;
};

// Opened only for work that needs it. Members in creation order.
struct OpenDevice {
  OpenDevice(const DeviceChoice& choice, const selftest::KernelNeeds& needs)
      : instance(std::make_unique<Instance>()),
        device(choice.open(*instance)),
        profile(choice.profile(*device, needs)) {}
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Device> device;
  KernelProfile profile;
};

std::optional<std::uint64_t> budget_of(std::string_view groups) {
  if (!groups.starts_with(kBudget)) return std::nullopt;
  const std::string_view number = groups.substr(kBudget.size());
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), bytes);
  if (error != std::errc{} || end != number.data() + number.size() || bytes == 0) {
    throw_error(ErrorCode::kUsage, "--groups {}: expected budget:BYTES_PER_TOKEN, as budget:12288", escaped(groups));
  }
  return bytes;
}

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

// A name ending .gguf is a file, everything else a directory.
ModelFileKind kind_of(const std::string& output) {
  return output.ends_with(".gguf") ? ModelFileKind::kGguf : ModelFileKind::kHuggingFace;
}

// Measured groups matter where nothing is fitted afterwards, and their search is quick only for small layers.
GroupingSearch search_for(const ConvertOptions& options, const ModelConfig& config) {
  if (options.grouping == "contiguous") return GroupingSearch::kContiguous;
  const bool can = needs_calibration(options.method);
  if (options.grouping == "measured") {
    if (!can) {
      throw_error(ErrorCode::kUsage,
                  "--grouping measured: {} uses no calibration text to measure on; choose svd, fit, "
                  "refine or auto",
                  options.method);
    }
    return GroupingSearch::kMeasured;
  }
  if (options.grouping != "auto") {
    throw_error(ErrorCode::kUsage, "--grouping {}: unknown; choose contiguous, measured or auto",
                escaped(options.grouping));
  }
  return can && config.most_kv_heads() <= 16 && config.hidden <= 2048 ? GroupingSearch::kMeasured
                                                                      : GroupingSearch::kContiguous;
}

// What a model's own texts begin with.
std::uint32_t first_token(const ModelFile& file, const std::optional<Tokenizer>& tokenizer) {
  if (tokenizer) {
    if (tokenizer->adds_bos() && tokenizer->bos()) return *tokenizer->bos();
    for (const char* name : {"<|endoftext|>", "<|end_of_text|>", "</s>"}) {
      if (const auto id = tokenizer->find(name)) return *id;
    }
    return tokenizer->bos().value_or(tokenizer->eos().value_or(0));
  }
  if (file.kind() == ModelFileKind::kHuggingFace) {
    const auto id = file.config().find("bos_token_id");
    if (id != file.config().end() && id->is_number_unsigned()) return id->get<std::uint32_t>();
  }
  return 0;
}

struct Calibration {
  std::function<CalibrationText()> make_text;
  std::string origin;
};

Calibration calibration_for(const ConvertOptions& options, const ModelFile& file, const ModelOutline& outline,
                            OpenDevice& opened) {
  const CalibrationText shape = options.size.shape(outline.config.context_length);
  const std::string cut =
      fmt::format("{} tokens in sequences of {}, {} of {} held out", shape.sequences * shape.sequence_length,
                  shape.sequence_length, shape.held_out, shape.sequences);
  if (!options.calibrate.empty()) {
    const std::string text = read_text_file(options.calibrate);
    Sha256 hash;
    hash.add(std::as_bytes(std::span(text)));
    const auto tokenizer = load_tokenizer(file, outline.config.vocabulary);
    if (!tokenizer) {
      throw_error(ErrorCode::kUsage, "--calibrate {}: {} has no tokenizer to read a text with; leave --calibrate out",
                  escaped(options.calibrate), file.path().string());
    }
    const CalibrationText ready = calibration_from_text(*tokenizer, outline.config, text, options.size);
    return {[ready] { return ready; }, fmt::format("text with SHA-256 {}, {}", hash.finish(), cut)};
  }
  const auto sample = [&options, &file, &outline, &opened] {
    const auto progress = progress_on_stderr(options.device.quiet);
    const auto tokenizer = load_tokenizer(file, outline.config.vocabulary);
    const auto model = Model::load(*opened.device, opened.profile, file, progress, &interrupt_flag());
    return calibration_sampled(*model, first_token(file, tokenizer), options.size, options.seed, progress,
                               &interrupt_flag());
  };
  return {sample, fmt::format("sampled from the model itself with seed {}, {}", options.seed, cut)};
}

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::string error_text(const std::optional<double>& error) {
  return error ? fmt::format("{:.3g}", *error) : "-";
}

Json layers_json(const std::vector<LayerReport>& layers) {
  Json rows = Json::array();
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const LayerReport& layer = layers[l];
    rows.push_back({{"layer", l},
                    {"source_groups", layer.source_groups},
                    {"groups", layer.groups},
                    {"method", layer.method},
                    {"error", layer.error ? Json(*layer.error) : Json(nullptr)},
                    {"members", layer.members.groups}});
  }
  return rows;
}

struct Result {
  const ConvertOptions& options;
  const ModelConfig& config;
  const ConvertReport& report;
  std::vector<std::uint32_t> groups;
  double seconds;
};

void print(const Result& result) {
  const ConvertOptions& options = result.options;
  const ConvertReport& report = result.report;
  std::vector<std::uint32_t> before;
  for (const LayerConfig& layer : result.config.layers) before.push_back(layer.kv_heads);
  const std::uint64_t cache_before = kv_bytes_per_token(result.config, before, CacheType::kF16);
  const std::uint64_t cache_after = kv_bytes_per_token(result.config, result.groups, CacheType::kF16);
  if (options.json) {
    print_json({{"input", options.input},
                {"output", options.output},
                {"dry_run", options.dry_run},
                {"method", options.method},
                {"layers", layers_json(report.layers)},
                {"groups", result.groups},
                {"kv_bytes_per_token_before", cache_before},
                {"kv_bytes_per_token", cache_after},
                {"bytes_in", report.bytes_in},
                {"bytes_out", report.bytes_out},
                {"seconds", result.seconds},
                {"peak_memory_bytes", peak_memory_bytes()},
                {"notes", report.notes}});
    return;
  }
  if (!options.device.quiet) {
    for (const std::string& text : report.notes) note(text);
  }
  std::printf("layer  groups      method      error\n");
  for (std::size_t l = 0; l < report.layers.size(); ++l) {
    const LayerReport& layer = report.layers[l];
    std::printf("%5zu  %-10s  %-10s  %s\n", l, fmt::format("{} -> {}", layer.source_groups, layer.groups).c_str(),
                layer.method.c_str(), error_text(layer.error).c_str());
  }
  std::printf("%s%s: %s -> %s, KV cache %llu -> %llu bytes per token (f16), %.1f s, peak memory %s\n",
              options.output.c_str(), options.dry_run ? " (dry run, nothing written)" : "",
              human_bytes(report.bytes_in).c_str(), human_bytes(report.bytes_out).c_str(),
              static_cast<unsigned long long>(cache_before), static_cast<unsigned long long>(cache_after),
              result.seconds, human_bytes(peak_memory_bytes()).c_str());
}

// Groups per layer that lose least within the budget. `report` gets a line for the user.
std::vector<std::uint32_t> plan_budget(std::uint64_t budget, const ConvertCheckpoint& job, const CalibrationText& text,
                                       OpenDevice& opened, std::vector<std::string>& notes) {
  const auto options = measure_damage({.file = job.source,
                                       .outline = job.outline,
                                       .text = text,
                                       .device = *opened.device,
                                       .profile = opened.profile,
                                       .progress = job.progress,
                                       .cancel = job.cancel});
  const BudgetPlan plan = plan_for_budget(options, budget);
  notes.push_back(fmt::format(
      "budget of {} bytes per token (f16): groups {} take {}; the layers' damages, each measured alone with "
      "svd, sum to a KL divergence of {:.4g} per token",
      budget, groups_text(plan.groups), plan.bytes_per_token, plan.damage));
  return plan.groups;
}

int convert(const ConvertOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const ModelFile file = ModelFile::open(locate_model(options.input));
  const ModelOutline outline = read_outline(file);
  const ModelConfig& config = outline.config;
  const auto budget = budget_of(options.groups);
  ConvertCheckpoint job{.source = file, .outline = outline};
  job.settings.method = options.method;
  job.settings.seed = options.seed;
  job.settings.grouping = search_for(options, config);
  for (const LayerConfig& layer : config.layers) job.settings.groups.push_back(layer.kv_heads);
  if (!budget) job.settings.groups = groups_for(config, options.groups);
  job.output = {.kind = kind_of(options.output), .type = type_for(options.type)};
  job.target = options.output;
  job.overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  job.without_tokenizer = options.without_tokenizer;
  job.progress = progress_on_stderr(options.device.quiet);
  job.cancel = &interrupt_flag();
  const CheckpointPlan plan = check_conversion(job);

  std::optional<OpenDevice> opened;
  std::vector<std::string> notes;
  if (budget || (needs_calibration(options.method) && !options.dry_run)) {
    selftest::KernelNeeds needs = selftest::kernel_needs(file, CacheType::kF16, true);
    needs.logits_compared = needs.calibrating = true;
    opened.emplace(options.device, needs);
    job.device = opened->device.get();
    job.profile = opened->profile;
    Calibration calibration = calibration_for(options, file, outline, *opened);
    if (budget) {
      const CalibrationText text = calibration.make_text();
      job.settings.groups = plan_budget(*budget, job, text, *opened, notes);
      calibration.make_text = [text] { return text; };
      (void)check_conversion(job);
    }
    if (needs_calibration(options.method)) {
      job.make_text = calibration.make_text;
      job.text_origin = calibration.origin;
    }
  }
  ConvertReport report = options.dry_run ? outline_conversion(job) : convert_checkpoint(job);
  report.notes.insert(report.notes.begin(), notes.begin(), notes.end());
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print({options, config, report, job.settings.groups, seconds});
  if (opened) opened->device->save_pipeline_cache();
  return 0;
}

}  // namespace

std::function<int()> add_convert(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("convert",
                         "Example:\n  regroup convert -i smollm2-135m -o smollm2-1.gguf --groups 1\n\n"
                         "Writes a checkpoint whose key/value heads are merged into fewer groups, without training.");
  const auto options = std::make_shared<ConvertOptions>();
  ConvertOptions& o = *options;
  command->add_option("-i,--input,-m,--model", o.input, "GGUF file, Hugging Face directory or fetched name")
      ->required();
  command->add_option("-o,--output", o.output, "a name ending .gguf, or a directory for safetensors")->required();
  command
      ->add_option("--groups", o.groups,
                   "KV groups: one number for all layers (4), one per layer (8,8,4,2), or budget:BYTES_PER_TOKEN")
      ->required();
  std::string methods = "auto (the best by held-out error, layer by layer)";
  for (const MergeMethod* method : merge_methods()) methods += fmt::format(", {}", method->name);
  command->add_option("--method", o.method, "how heads are merged: " + methods)->capture_default_str();
  command->add_option("--grouping", o.grouping, "which heads share a group: contiguous, measured, auto")
      ->capture_default_str();
  command->add_option("--calibrate", o.calibrate, "text file to calibrate on (default: text that the model writes)");
  command->add_option("--calibration-tokens", o.size.tokens, "how many tokens of it")
      ->check(CLI::Range(2u, 1u << 24))
      ->capture_default_str();
  command->add_option("--type", o.type,
                      "write all matrices as f32, f16, bf16, q8_0, q4_0 or q4_1 (default: as the source has them)");
  command->add_option("-s,--seed", o.seed, "seed of everything random")->capture_default_str();
  command->add_flag("--force", o.force, "replace the output where it stands already");
  command->add_flag("--dry-run", o.dry_run, "print the plan and write nothing");
  command->add_flag("--no-tokenizer", o.without_tokenizer, "go on without the source's tokenizer");
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.device.add_options(*command);
  return [options] { return convert(*options); };
}

}  // namespace regroup::cli
