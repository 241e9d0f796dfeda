// regroup bench: prefill and decode speed as llama-bench reports them, for each G and context depth, with memory
// beside.
#include <algorithm>
#include <cstdio>

#include "cli/command.h"
#include "cli/open_model.h"
#include "runtime/core/error.h"
#include "runtime/decode/measure.h"
#include "runtime/model/kv_cache.h"

namespace regroup::cli {
namespace {

struct BenchOptions {
  OpenOptions open;
  std::vector<std::uint32_t> prompts = {512}, generated = {128}, depths = {0};
  std::uint32_t repetitions = 5;
  std::string output = "md";
  bool json = false;
};

// One line of the table: a test repeated.
struct Row {
  std::uint32_t prompt = 0, generated = 0, depth = 0;
  std::vector<std::uint32_t> groups;
  std::vector<double> seconds;
  std::uint64_t kv_bytes = 0, kv_bytes_per_token = 0, weights_bytes = 0;

  std::uint32_t tokens() const { return prompt + generated; }
  std::vector<double> speeds() const {
    std::vector<double> out;
    for (const double s : seconds) out.push_back(tokens() / s);
    return out;
  }
  // Bytes that must be read from memory for each generated token: all weights once and the cached keys and values.
  double bytes_per_token() const {
    return static_cast<double>(weights_bytes) + static_cast<double>(kv_bytes_per_token) * (depth + generated / 2.0);
  }
  std::string test() const {
    const std::string name = prompt > 0 ? fmt::format("pp{}", prompt) : fmt::format("tg{}", generated);
    return depth > 0 ? fmt::format("{} @ d{}", name, depth) : name;
  }
};

// Bandwidth use only says something for decoding, where every token reads everything.
double bandwidth_fraction(const Row& row, double copy_bytes_per_second) {
  return row.generated > 0 ? row.bytes_per_token() * summarise(row.speeds()).mean / copy_bytes_per_second : 0.0;
}

Json row_json(const Row& row, const OpenModel& opened, const BenchOptions& options, double copy_bytes_per_second) {
  const std::vector<double> speeds = row.speeds();
  std::vector<double> ns;
  for (const double s : row.seconds) ns.push_back(s * 1e9);
  const Summary speed = summarise(speeds), time = summarise(ns);
  return {{"model_filename", opened.file.path().string()},
          {"model_type", opened.outline.config.architecture},
          {"model_size", opened.outline.file_bytes},
          {"model_n_params", opened.outline.parameters},
          {"backends", "Vulkan"},
          {"gpu_info", opened.device->info().name},
          {"driver", opened.device->info().driver},
          {"kernels", opened.profile.name},
          {"type_k", options.open.kv},
          {"type_v", options.open.kv},
          {"n_batch", options.open.prefill_chunk},
          {"n_prompt", row.prompt},
          {"n_gen", row.generated},
          {"n_depth", row.depth},
          {"groups", row.groups},
          {"avg_ns", time.mean},
          {"stddev_ns", time.deviation},
          {"avg_ts", speed.mean},
          {"stddev_ts", speed.deviation},
          {"samples_ns", ns},
          {"samples_ts", speeds},
          {"kv_bytes", row.kv_bytes},
          {"kv_bytes_per_token", row.kv_bytes_per_token},
          {"weights_bytes", row.weights_bytes},
          {"gigabytes_per_second", row.generated > 0 ? row.bytes_per_token() * speed.mean / 1e9 : 0.0},
          {"copy_gigabytes_per_second", copy_bytes_per_second / 1e9},
          {"bandwidth_fraction", bandwidth_fraction(row, copy_bytes_per_second)}};
}

void print_table(const std::vector<Row>& rows, const OpenModel& opened, const BenchOptions& options,
                 double copy_bytes_per_second) {
  const std::string model =
      opened.outline.config.name.empty() ? opened.outline.config.architecture : opened.outline.config.name;
  std::printf("| model | size | params | backend | G | KV/token (%s) | test | t/s | of copy bandwidth |\n",
              options.open.kv.c_str());
  std::printf("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |\n");
  for (const Row& row : rows) {
    const Summary speed = summarise(row.speeds());
    const std::string share = row.generated > 0
                                  ? fmt::format("{:.0f} %", 100 * bandwidth_fraction(row, copy_bytes_per_second))
                                  : std::string("-");
    std::printf("| %s | %s | %.2f M | Vulkan | %s | %llu B | %s | %.2f ± %.2f | %s |\n", model.c_str(),
                human_bytes(opened.outline.file_bytes).c_str(), static_cast<double>(opened.outline.parameters) / 1e6,
                groups_text(row.groups).c_str(), static_cast<unsigned long long>(row.kv_bytes_per_token),
                row.test().c_str(), speed.mean, speed.deviation, share.c_str());
  }
  std::printf("\n%s, %s, kernels %s, copy bandwidth %.1f GB/s\n", opened.device->info().name.c_str(),
              opened.device->info().driver.c_str(), std::string(opened.profile.name).c_str(),
              copy_bytes_per_second / 1e9);
}

void print_csv(const Json& rows) {
  const char* separator = "";
  for (const auto& [key, value] : rows.front().items()) {
    if (value.is_array()) continue;
    std::printf("%s%s", separator, key.c_str());
    separator = ",";
  }
  std::printf("\n");
  for (const Json& row : rows) {
    separator = "";
    for (const auto& [key, value] : row.items()) {
      if (value.is_array()) continue;
      std::printf("%s%s", separator, value.dump().c_str());
      separator = ",";
    }
    std::printf("\n");
  }
}

std::vector<GroupPlan> group_plans(const BenchOptions& options, const ModelConfig& config) {
  if (options.open.groups.groups.empty()) return {GroupPlan::identity(config)};
  std::vector<GroupPlan> plans;
  for (const std::uint32_t g : GroupPlan::parse_groups(options.open.groups.groups)) {
    plans.push_back(GroupPlan::contiguous(config, {g}, pool_method_from_name(options.open.groups.method)));
  }
  return plans;
}

int bench(const BenchOptions& options) {
  const std::uint32_t deepest = *std::max_element(options.depths.begin(), options.depths.end());
  const std::uint32_t longest = std::max(*std::max_element(options.prompts.begin(), options.prompts.end()),
                                         *std::max_element(options.generated.begin(), options.generated.end()) + 1);
  OpenOptions open = options.open;
  open.context = deepest + longest;
  open.groups.groups.clear();  // here a list of settings, measured one after the other
  const OpenModel opened = open_model(open);
  const std::vector<GroupPlan> plans = group_plans(options, opened.outline.config);
  const double copy_bytes_per_second = copy_bandwidth(*opened.device);
  const CancelFlag* cancel = &interrupt_flag();
  const bool quiet = open.device.quiet;

  std::vector<Row> rows;
  for (const GroupPlan& plan : plans) {
    const Grouping grouping(*opened.model, plan);
    Session session(*opened.model, grouping,
                    {.context = open.context, .cache_type = open.cache_type(), .prefill_chunk = open.prefill_chunk});
    const auto row_for = [&](std::uint32_t prompt, std::uint32_t generated, std::uint32_t depth) {
      return Row{.prompt = prompt,
                 .generated = generated,
                 .depth = depth,
                 .groups = plan.groups(),
                 .kv_bytes = session.cache().bytes(),
                 .kv_bytes_per_token = kv_bytes_per_token(opened.outline.config, plan.groups(), open.cache_type()),
                 .weights_bytes = opened.model->weights_bytes()};
    };
    const auto measure = [&](Row row, const auto& timed) {
      fill_to_depth(session, row.depth, cancel);
      timed();  // warm-up: pipelines, caches
      for (std::uint32_t r = 0; r < options.repetitions; ++r) row.seconds.push_back(timed());
      if (!quiet)
        note(fmt::format("G {} {}: {:.2f} t/s", groups_text(row.groups), row.test(), summarise(row.speeds()).mean));
      rows.push_back(std::move(row));
    };
    for (const std::uint32_t depth : options.depths) {
      for (const std::uint32_t count : options.prompts) {
        if (count > 0) measure(row_for(count, 0, depth), [&] { return time_prefill(session, depth, count, cancel); });
      }
      for (const std::uint32_t count : options.generated) {
        if (count > 0) measure(row_for(0, count, depth), [&] { return time_decode(session, depth, count, cancel); });
      }
    }
  }
  opened.device->save_pipeline_cache();
  Json list = Json::array();
  for (const Row& row : rows) list.push_back(row_json(row, opened, options, copy_bytes_per_second));
  const std::string output = options.json ? "json" : options.output;
  if (output == "json") {
    print_json({{"rows", list}});
  } else if (output == "jsonl") {
    for (const Json& row : list) std::printf("%s\n", row.dump().c_str());
  } else if (output == "csv") {
    if (!list.empty()) print_csv(list);
  } else {
    print_table(rows, opened, options, copy_bytes_per_second);
  }
  return 0;
}

}  // namespace

std::function<int()> add_bench(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("bench",
                         "Example:\n  regroup bench -m smollm2-135m -p 128 -n 32 --groups 3,1 -d 0,1024\n\n"
                         "Prefill (pp) and decode (tg) speed as llama-bench reports them, for each G and depth.");
  const auto options = std::make_shared<BenchOptions>();
  BenchOptions& o = *options;
  command->add_option("-m,--model", o.open.model,
                      "GGUF file, Hugging Face directory or fetched name (default: the bundled model)");
  command->add_option("-p,--n-prompt", o.prompts, "prompt lengths, 0 for none")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1u << 24));
  command->add_option("-n,--n-gen", o.generated, "tokens to generate, 0 for none")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1u << 24));
  command->add_option("-d,--n-depth", o.depths, "tokens in the cache beforehand")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1u << 24));
  command->add_option("-r,--repetitions", o.repetitions, "repetitions of each test")->check(CLI::Range(1u, 1000u));
  command->add_option("-o,--output", o.output, "md, csv, json or jsonl")
      ->check(CLI::IsMember({"md", "csv", "json", "jsonl"}));
  command->add_option("--kv", o.open.kv, "type of the KV cache: f32, f16, q8_0, q4_0")->capture_default_str();
  command->add_option("--groups", o.open.groups.groups, "numbers of KV groups to measure, one after the other (8,4,1)");
  command->add_option("--method", o.open.groups.method, "how heads are merged: mean, first, random")
      ->capture_default_str();
  command->add_flag("--json", o.json, "the same as -o json");
  o.open.device.add_options(*command);
  return [options] { return bench(*options); };
}

}  // namespace regroup::cli
