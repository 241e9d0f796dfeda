// regroup info: what a model file holds, without loading its weights.
#include <cstdio>
#include <map>

#include "cli/command.h"
#include "converter/checkpoint/provenance.h"
#include "runtime/core/error.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/decode/memory_plan.h"
#include "runtime/file/bad_file.h"
#include "runtime/model/kv_cache.h"
#include "runtime/model/model.h"

namespace regroup::cli {
namespace {

struct InfoOptions {
  std::string model;
  bool json = false;
};

constexpr CacheType kTypes[] = {CacheType::kF32, CacheType::kF16, CacheType::kQ8_0, CacheType::kQ4_0};

int info(const InfoOptions& options) {
  const ModelFile file = ModelFile::open(locate_model(options.model));
  const ModelOutline outline = read_outline(file);
  const ModelConfig& config = outline.config;
  const auto tokenizer = load_tokenizer(file, config.vocabulary);
  if (!outline.unused_tensors.empty()) note(outline.remark());

  std::vector<std::uint32_t> heads, windows;
  for (const LayerConfig& layer : config.layers) {
    heads.push_back(layer.kv_heads);
    windows.push_back(layer.window);
  }
  std::map<std::string_view, std::uint64_t> bytes_by_format;
  Json tensors = Json::array();
  for (const FileTensor& tensor : file.tensors()) {
    bytes_by_format[format_info(tensor.format).name] += tensor.bytes.size();
    tensors.push_back({{"name", tensor.name},
                       {"format", format_info(tensor.format).name},
                       {"shape", tensor.shape},
                       {"bytes", tensor.bytes.size()}});
  }
  Json cache = Json::array();
  std::vector<std::vector<std::uint32_t>> choices = {heads};
  for (const std::uint32_t g : possible_groups(config)) {
    const std::vector<std::uint32_t> uniform(heads.size(), g);
    if (uniform != heads) choices.push_back(uniform);
  }
  for (const auto& groups : choices) {
    Json row{{"groups", groups}};
    for (const CacheType type : kTypes) {
      const bool quantised = type == CacheType::kQ8_0 || type == CacheType::kQ4_0;
      if (quantised && config.head_dim % 32 != 0) continue;
      row[std::string(cache_type_name(type))] = kv_bytes_per_token(config, groups, type);
    }
    cache.push_back(row);
  }
  const std::optional<StatedSource> source = stated_source(file);
  if (options.json) {
    Json converted;
    if (source) {
      converted = {{"source_name", source->name},
                   {"source_checksum", source->checksum},
                   {"method", source->method},
                   {"calibration", source->calibration}};
    }
    Json formats = Json::object();
    for (const auto& [name, bytes] : bytes_by_format) formats[std::string(name)] = bytes;
    print_json({{"path", file.path().string()},
                {"kind", file.kind() == ModelFileKind::kGguf ? "gguf" : "hugging_face"},
                {"architecture", config.architecture},
                {"name", config.name},
                {"parameters", outline.parameters},
                {"file_bytes", outline.file_bytes},
                {"layers", config.layer_count()},
                {"hidden", config.hidden},
                {"feed_forward", config.feed_forward},
                {"vocabulary", config.vocabulary},
                {"query_heads", config.query_heads},
                {"kv_heads", heads},
                {"head_dim", config.head_dim},
                {"rotary_dims", config.rotary_dims},
                {"context_length", config.context_length},
                {"windows", windows},
                {"rope_theta", config.rope.theta},
                {"tokenizer_tokens", tokenizer ? Json(tokenizer->vocabulary_size()) : Json(nullptr)},
                {"chat_template", tokenizer && !tokenizer->chat_template().empty()},
                {"bytes_by_format", formats},
                {"kv_bytes_per_token", cache},
                {"converted", converted},
                {"tensors", tensors}});
    return 0;
  }
  std::printf("%s\n", escaped(file.path().string(), kShownPathBytes).c_str());
  std::printf("  %s%s%s, %.1f M parameters, %s\n", config.architecture.c_str(), config.name.empty() ? "" : ", ",
              config.name.c_str(), static_cast<double>(outline.parameters) / 1e6,
              human_bytes(outline.file_bytes).c_str());
  std::printf("  %u layers, hidden %u, feed-forward %u, vocabulary %u, context %u\n", config.layer_count(),
              config.hidden, config.feed_forward, config.vocabulary, config.context_length);
  std::printf(
      "  %u query heads on %s KV heads of %u elements\n", config.query_heads,
      fmt::format("{}", fmt::join(possible_groups(config).empty() ? heads : std::vector{config.most_kv_heads()}, ","))
          .c_str(),
      config.head_dim);
  std::printf("  weights:");
  for (const auto& [name, bytes] : bytes_by_format) {
    std::printf(" %s %s", std::string(name).c_str(), human_bytes(bytes).c_str());
  }
  std::printf("\n  KV cache bytes per token:\n      %-12s %10s %10s %10s %10s\n", "G", "f32", "f16", "q8_0", "q4_0");
  for (const Json& row : cache) {
    const auto groups = row["groups"].get<std::vector<std::uint32_t>>();
    const bool uniform = std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; });
    std::printf("      %-12s", uniform ? std::to_string(groups[0]).c_str() : "per layer");
    for (const CacheType type : kTypes) {
      const auto found = row.find(std::string(cache_type_name(type)));
      std::printf(" %10s", found == row.end() ? "-" : std::to_string(found->get<std::uint64_t>()).c_str());
    }
    std::printf("\n");
  }
  std::printf("  %zu tensors (--json lists them)\n", file.tensors().size());
  if (source) {
    std::printf("  converted by %s from %s%s\n", escaped(source->method).c_str(), escaped(source->name).c_str(),
                source->calibration.empty() ? "" : (", calibrated on " + escaped(source->calibration)).c_str());
    std::printf("  whose `xxhsum -H2 FILE` was %s\n", escaped(source->checksum).c_str());
  }
  return 0;
}

}  // namespace

std::function<int()> add_info(CLI::App& app) {
  CLI::App* command = app.add_subcommand("info",
                                         "Example:\n  regroup info smollm2-135m\n\nArchitecture, sizes, tensors, and "
                                         "KV cache bytes per token for each G.");
  const auto options = std::make_shared<InfoOptions>();
  command->add_option("model,-m,--model", options->model,
                      "GGUF file, Hugging Face directory or fetched name (default: the bundled model)");
  command->add_flag("--json", options->json, "one JSON document on stdout");
  return [options] { return info(*options); };
}

}  // namespace regroup::cli
