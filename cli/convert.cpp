// regroup convert: a checkpoint with fewer KV heads, written to disk.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>

#include "cli/command.h"
#include "converter/convert_checkpoint.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"

namespace regroup::cli {
namespace {

struct ConvertOptions {
  std::string input, output, groups, method = "auto", grouping, calibrate, type;
  std::uint32_t calibration_tokens = 10240;
  std::uint64_t seed = 0;
  bool force = false, dry_run = false, without_tokenizer = false, json = false;
  DeviceChoice device;
};

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

std::uint64_t peak_memory_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

std::string error_text(const std::optional<double>& error) {
  return error ? fmt::format("{:.3g}", *error) : "-";
}

Json layers_json(const ConvertReport& report) {
  Json rows = Json::array();
  for (std::size_t l = 0; l < report.layers.size(); ++l) {
    const LayerReport& layer = report.layers[l];
    rows.push_back({{"layer", l},
                    {"source_groups", layer.source_groups},
                    {"groups", layer.groups},
                    {"method", layer.method},
                    {"error", layer.error ? Json(*layer.error) : Json(nullptr)},
                    {"members", layer.members.groups}});
  }
  return rows;
}

int convert(const ConvertOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const ModelFile file = ModelFile::open(locate_model(options.input));
  const ModelOutline outline = read_outline(file);
  const ModelConfig& config = outline.config;
  ConvertCheckpoint job{.source = file, .outline = outline};
  job.settings = {.method = options.method, .groups = groups_for(config, options.groups), .seed = options.seed};
  job.output = {.kind = kind_of(options.output), .type = type_for(options.type)};
  job.target = options.output;
  job.overwrite = options.force ? Overwrite::kYes : Overwrite::kNo;
  job.without_tokenizer = options.without_tokenizer;
  job.progress = progress_on_stderr(options.device.quiet);
  job.cancel = &interrupt_flag();
  const CheckpointPlan plan = check_conversion(job);

  std::vector<std::uint32_t> before;
  for (const LayerConfig& layer : config.layers) before.push_back(layer.kv_heads);
  const std::uint64_t cache_before = kv_bytes_per_token(config, before, CacheType::kF16);
  const std::uint64_t cache_after = kv_bytes_per_token(config, job.settings.groups, CacheType::kF16);

  const ConvertReport report = convert_checkpoint(job);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.json) {
    print_json({{"input", file.path().string()},
                {"output", options.output},
                {"method", options.method},
                {"layers", layers_json(report)},
                {"groups", job.settings.groups},
                {"kv_bytes_per_token_before", cache_before},
                {"kv_bytes_per_token", cache_after},
                {"bytes_in", report.bytes_in},
                {"bytes_out", report.bytes_out},
                {"seconds", seconds},
                {"peak_memory_bytes", peak_memory_bytes()},
                {"notes", report.notes}});
    return 0;
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
  std::printf("%s: %s -> %s, KV cache %llu -> %llu bytes per token (f16), %.1f s, peak memory %s\n",
              options.output.c_str(), human_bytes(report.bytes_in).c_str(), human_bytes(report.bytes_out).c_str(),
              static_cast<unsigned long long>(cache_before), static_cast<unsigned long long>(cache_after), seconds,
              human_bytes(peak_memory_bytes()).c_str());
  return 0;
}

}  // namespace

std::function<int()> add_convert(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "convert",
      "Example:\n  regroup convert -i smollm2-135m -o smollm2-1.gguf --groups 1\n\n"
      "Writes a checkpoint whose key/value heads are merged into fewer groups, without training.");
  const auto options = std::make_shared<ConvertOptions>();
  ConvertOptions& o = *options;
  command->add_option("-i,--input,-m,--model", o.input, "GGUF file, Hugging Face directory or fetched name")
      ->required();
  command->add_option("-o,--output", o.output, "a name ending .gguf, or a directory for safetensors")->required();
  command->add_option("--groups", o.groups, "KV groups: one number for all layers (4), or one per layer (8,8,4,2)")
      ->required();
  std::string methods = "auto";
  for (const MergeMethod* method : merge_methods()) methods += fmt::format(", {}", method->name);
  command->add_option("--method", o.method, "how heads are merged: " + methods)->capture_default_str();
  command->add_option("--type", o.type,
                      "write all matrices as f32, f16, bf16, q8_0, q4_0 or q4_1 (default: as the source has them)");
  command->add_option("-s,--seed", o.seed, "seed of everything random")->capture_default_str();
  command->add_flag("--force", o.force, "replace the output where it stands already");
  command->add_flag("--no-tokenizer", o.without_tokenizer, "go on without the source's tokenizer");
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.device.add_options(*command);
  return [options] { return convert(*options); };
}

}  // namespace regroup::cli
