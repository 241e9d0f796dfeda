// regroup convert: a checkpoint with fewer KV heads, written to disk.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "cli/command.h"
#include "converter/conversion.h"
#include "converter/merge.h"
#include "runtime/core/error.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/model/grouping.h"
#include "runtime/model/kv_cache.h"
#include "runtime/selftest/trusted_kernels.h"

namespace regroup::cli {
namespace {

struct ConvertOptions {
  std::string input, output, groups, method = "auto", grouping = "auto", calibrate, type;
  CalibrationSize size;
  std::uint64_t seed = 0;
  bool force = false, dry_run = false, without_tokenizer = false, json = false;
  DeviceChoice device;
};

// Opened only for work that needs it. Members in creation order.
struct OpenDevice {
  OpenDevice(const DeviceChoice& choice, const ModelFile& file, const selftest::KernelNeeds& needs)
      : instance(std::make_unique<Instance>()),
        device(choice.open(*instance)),
        profile(choice.profile(*device, tuning::shape_of(file), needs)) {}
  std::unique_ptr<Instance> instance;
  std::unique_ptr<Device> device;
  KernelProfile profile;
};

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
  std::uint64_t device_bytes;  // at the peak; nearly all of it activations of the calibration text
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
                {"peak_device_bytes", result.device_bytes},
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
  std::printf("%s%s: %s -> %s, KV cache %llu -> %llu bytes per token (f16), %.1f s, peak memory %s%s\n",
              options.output.c_str(), options.dry_run ? " (dry run, nothing written)" : "",
              human_bytes(report.bytes_in).c_str(), human_bytes(report.bytes_out).c_str(),
              static_cast<unsigned long long>(cache_before), static_cast<unsigned long long>(cache_after),
              result.seconds, human_bytes(peak_memory_bytes()).c_str(),
              result.device_bytes == 0
                  ? ""
                  : fmt::format(", device allocations {}, most of them activations of the calibration text",
                                human_bytes(result.device_bytes))
                        .c_str());
}

int convert(const ConvertOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  std::optional<OpenDevice> opened;
  Conversion conversion{.input = locate_model(options.input),
                        .output = options.output,
                        .groups = options.groups,
                        .method = options.method,
                        .grouping = options.grouping,
                        .type = options.type,
                        .size = options.size,
                        .seed = options.seed,
                        .overwrite = options.force,
                        .dry_run = options.dry_run,
                        .without_tokenizer = options.without_tokenizer,
                        .open_device = [&](const ModelFile& file) -> ConversionDevice {
                          auto needs = selftest::kernel_needs(file, CacheType::kF16, true);
                          needs.logits_compared = needs.calibrating = true;
                          opened.emplace(options.device, file, needs);
                          return {opened->device.get(), opened->profile};
                        },
                        .progress = progress_on_stderr(options.device.quiet),
                        .cancel = &interrupt_flag()};
  if (!options.calibrate.empty()) conversion.calibration_text = read_text_file(options.calibrate);
  const ConversionResult done = run_conversion(conversion);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  print({options, done.config, done.report, done.groups, seconds, opened ? opened->device->peak_allocated_bytes() : 0});
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
  std::string methods = "auto (the best by held-out error, layer by layer; small models then all layers together)";
  for (const MergeMethod* method : merge_methods()) methods += fmt::format(", {}", method->name);
  command->add_option("--method", o.method, "how heads are merged: " + methods)->capture_default_str();
  command->add_option("--grouping", o.grouping, "which heads share a group: contiguous, measured, auto")
      ->capture_default_str();
  command->add_option("--calibrate", o.calibrate, "text file to calibrate on (default: text that the model writes)");
  command
      ->add_option("--calibration-tokens", o.size.tokens,
                   "how many tokens of it (default: 10240; where weights are fitted up to 65536 for narrow models)")
      ->check(CLI::Range(2u, 1u << 24));
  command->add_option("--type", o.type,
                      "write all matrices as f32, f16, bf16, q8_0, q4_0 or q4_1 (default: as the source has them)");
  command->add_option("-s,--seed", o.seed, "seed of everything random")->capture_default_str();
  command->add_flag("--force", o.force,
                    "replace the output where it stands already: a file, or a directory of a model's files alone");
  command->add_flag("--dry-run", o.dry_run, "print the plan and write nothing");
  command->add_flag("--no-tokenizer", o.without_tokenizer, "go on without the source's tokenizer");
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.device.add_options(*command);
  return [options] { return convert(*options); };
}

}  // namespace regroup::cli
