// regroup sweep: quality, speed and cache size for every number of groups and method, in one table.
#include <algorithm>
#include <cstdio>
#include <fstream>

#include "cli/group_settings.h"
#include "cli/open_model.h"
#include "cli/sweep_report.h"
#include "converter/convert_layers.h"
#include "runtime/core/error.h"
#include "runtime/decode/measure.h"
#include "runtime/file/replace_file.h"
#include "runtime/model/finite_weights.h"
#include "runtime/model/kv_cache.h"

namespace regroup::cli {
namespace {

struct SweepOptions {
  OpenOptions open;
  std::string text_file, csv, svg;
  std::vector<std::string> groups = {"all"}, methods = {"mean"};
  std::vector<std::uint32_t> depths = {0, 1024};
  std::uint32_t generated = 16, prompt = 128, repetitions = 3, most_chunks = 0;
  bool json = false;
};

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

template <typename Timed>
double median_seconds(std::uint32_t repetitions, const Timed& timed) {
  timed();  // warm-up: pipelines, caches
  std::vector<double> seconds;
  for (std::uint32_t r = 0; r < repetitions; ++r) seconds.push_back(timed());
  return median(std::move(seconds));
}

// Fills in what a stopwatch says.
void measure_speed(const OpenModel& opened, const Grouping& grouping, const SweepOptions& options, SweepRow& row) {
  const CancelFlag* cancel = &interrupt_flag();
  const std::uint32_t deepest = *std::max_element(options.depths.begin(), options.depths.end());
  Session session(*opened.model, grouping,
                  {.context = deepest + std::max(options.generated + 1, options.prompt),
                   .cache_type = options.open.cache_type(),
                   .prefill_chunk = options.open.prefill_chunk});
  row.prefill_tokens_per_second = options.prompt / median_seconds(options.repetitions, [&] {
                                    return time_prefill(session, 0, options.prompt, cancel);
                                  });
  for (const std::uint32_t depth : options.depths) {
    fill_to_depth(session, depth, cancel);
    const double seconds =
        median_seconds(options.repetitions, [&] { return time_decode(session, depth, options.generated, cancel); });
    row.times.push_back({depth, 1000 * seconds / options.generated});
  }
}

void write_file(const std::string& path, const std::string& text) {
  replace_file(path, text);
}

// Adds to `rows` as it goes: what a failure or Ctrl-C leaves is not lost.
void measure_rows(const OpenModel& opened, const SweepOptions& options, const EvaluationText& cut,
                  std::vector<SweepRow>& rows) {
  const ModelConfig& config = opened.outline.config;
  const bool quiet = options.open.device.quiet;
  const CacheType cache_type = options.open.cache_type();
  const Contestant baseline{*opened.model, *opened.grouping, CacheType::kF32};
  const auto settings = group_settings(options.groups, opened, options.open.groups, quiet);
  for (const std::string& method : options.methods) {
    check_settings(opened.file, opened.outline,
                   {.method = method, .groups = std::vector<std::uint32_t>(config.layers.size(), 1)});
  }
  bool original_done = false;
  for (const std::string& method : options.methods) {
    GroupsChoice choice = options.open.groups;
    choice.method = method;
    std::vector<std::unique_ptr<Grouping>> groupings;
    std::vector<const Grouping*> judged;
    for (const auto& groups : settings) {
      auto grouping = make_grouping(opened, choice, groups, quiet);
      if (grouping->is_identity()) {
        if (!original_done) judged.push_back(opened.grouping.get());
        original_done = true;
        continue;
      }
      judged.push_back(grouping.get());
      groupings.push_back(std::move(grouping));
    }
    std::vector<Contestant> contestants;
    for (const Grouping* grouping : judged) contestants.push_back({*opened.model, *grouping, cache_type});
    if (contestants.empty()) continue;
    const auto results = blaming_weights(opened.file, &interrupt_flag(), [&] {
      return evaluate(baseline, contestants, cut, {.progress = progress_on_stderr(quiet), .cancel = &interrupt_flag()});
    });
    for (std::size_t i = 0; i < judged.size(); ++i) {
      const auto groups = judged[i]->plan().groups();
      SweepRow row{.groups = groups,
                   .method = judged[i]->is_identity() ? "none" : method,
                   .quality = results[i],
                   .kv_bytes_per_token = kv_bytes_per_token(config, groups, cache_type)};
      measure_speed(opened, *judged[i], options, row);
      if (!quiet) {
        note(fmt::format("G {} by {}: perplexity {:.2f}, {:.2f} ms per token", groups_text(groups), row.method,
                         row.quality.perplexity, row.times.front().ms_per_token));
      }
      rows.push_back(std::move(row));
    }
  }
}

int sweep(const SweepOptions& given) {
  SweepOptions options = given;
  const std::string text = read_text_file(options.text_file);
  set_default_chunk(options.open);
  const std::uint32_t chunk = options.open.context;
  const std::uint32_t deepest = *std::max_element(options.depths.begin(), options.depths.end());
  options.open.context = std::max(chunk, deepest + std::max(options.generated + 1, options.prompt));
  const OpenModel opened = open_model(options.open);
  EvaluationText cut = cut_for_evaluation(opened, text, chunk);
  if (options.most_chunks > 0 && cut.chunks.size() > options.most_chunks) cut.chunks.resize(options.most_chunks);
  std::vector<SweepRow> rows;
  std::exception_ptr failure;
  try {
    measure_rows(opened, options, cut, rows);
  } catch (const Error&) {
    if (rows.empty()) throw;
    failure = std::current_exception();
  }
  opened.device->save_pipeline_cache();
  const std::string model =
      opened.outline.config.name.empty() ? opened.file.path().filename().string() : opened.outline.config.name;
  if (!options.csv.empty()) write_file(options.csv, sweep_csv(rows));
  if (!options.svg.empty()) {
    write_file(options.svg,
               sweep_svg(rows, model,
                         fmt::format("{} tokens scored, KV cache {}; {}, {}", cut.scored_tokens(), options.open.kv,
                                     opened.device->info().name, opened.device->info().driver)));
  }
  if (options.json) {
    print_json({{"model", opened.file.path().string()},
                {"text", options.text_file},
                {"context", chunk},
                {"chunks", cut.chunks.size()},
                {"kv", options.open.kv},
                {"n_prompt", options.prompt},
                {"n_gen", options.generated},
                {"rows", sweep_json(rows)},
                {"device", opened.device->info().name},
                {"driver", opened.device->info().driver}});
  } else {
    std::printf("%s\n%llu tokens in %zu chunks of %u; KV cache %s; %s\n", sweep_table(rows).c_str(),
                static_cast<unsigned long long>(cut.scored_tokens()), cut.chunks.size(), chunk, options.open.kv.c_str(),
                opened.device->info().name.c_str());
  }
  if (failure) std::rethrow_exception(failure);
  return 0;
}

}  // namespace

std::function<int()> add_sweep(CLI::App& app) {
  CLI::App* command = app.add_subcommand("sweep",
                                         "Example:\n  regroup sweep -m smollm2-135m -f text.txt --groups all --methods "
                                         "mean,auto -d 0,1024 --svg sweep.svg\n\n"
                                         "For every number of groups and method: perplexity and divergence (as "
                                         "`regroup eval`), milliseconds per token at\n"
                                         "each context depth, prefill speed and cache bytes.");
  const auto options = std::make_shared<SweepOptions>();
  SweepOptions& o = *options;
  o.open.compares_groups = o.open.reads_text = true;
  command->add_option("-m,--model", o.open.model,
                      "GGUF file, Hugging Face directory or fetched name (default: the bundled model)");
  command->add_option("-f,--file", o.text_file, "the text")->required();
  command->add_option("-c,--context", o.open.context, "tokens of a chunk (default: 512, at most the trained context)")
      ->check(CLI::Range(2u, 16u << 20));
  command->add_option("--max-chunks", o.most_chunks, "judge only so many chunks of the text; 0: all");
  command->add_option("--groups", o.groups, "all, or numbers of KV groups (8,4,2,1)")->delimiter(',');
  command->add_option("--methods", o.methods, "merge methods (mean,auto)")->delimiter(',');
  command->add_option("-d,--n-depth", o.depths, "tokens in the cache beforehand, for the times (default 0,1024)")
      ->delimiter(',')
      ->check(CLI::Range(0u, 1u << 24));
  command->add_option("-n,--n-gen", o.generated, "tokens to generate for each time")
      ->check(CLI::Range(1u, 1u << 24))
      ->capture_default_str();
  command->add_option("-p,--n-prompt", o.prompt, "tokens of the timed prefill")
      ->check(CLI::Range(1u, 1u << 24))
      ->capture_default_str();
  command->add_option("-r,--repetitions", o.repetitions, "repetitions of each time, the median counts")
      ->check(CLI::Range(1u, 1000u))
      ->capture_default_str();
  command->add_option("--kv", o.open.kv, "type of the KV cache: f32, f16, q8_0, q4_0; the baseline's is f32")
      ->capture_default_str();
  command->add_option("--csv", o.csv, "also write the rows to this CSV file")->check(output_file());
  command->add_option("--svg", o.svg, "also draw time and quality against G to this SVG file")->check(output_file());
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.open.groups.add_calibration_options(*command);
  o.open.device.add_options(*command);
  return [options] { return sweep(*options); };
}

}  // namespace regroup::cli
