// regroup eval: perplexity of a text, and how far the predictions of regrouped models are from the original's.
#include <cstdio>

#include "cli/command.h"
#include "cli/group_settings.h"
#include "cli/open_model.h"
#include "runtime/core/error.h"
#include "runtime/decode/evaluate.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/model/finite_weights.h"
#include "runtime/model/kv_cache.h"

namespace regroup::cli {
namespace {

struct EvalOptions {
  OpenOptions open;
  std::string text_file, baseline;
  std::vector<std::string> groups;
  bool json = false;
};

// Another model on the device that the first one is on.
struct BaselineModel {
  ModelFile file;
  ModelOutline outline;
  std::unique_ptr<Model> model;
  std::unique_ptr<Grouping> grouping;
};

BaselineModel open_baseline(const EvalOptions& options, const OpenModel& opened, std::string_view text,
                            const EvaluationText& cut) {
  BaselineModel baseline{.file = ModelFile::open(locate_model(options.baseline))};
  baseline.outline = read_outline(baseline.file);
  const auto tokenizer = load_tokenizer(baseline.file, baseline.outline.config.vocabulary);
  if (tokenizer && cut_text(*tokenizer, text, options.open.context).chunks != cut.chunks) {
    throw_error(ErrorCode::kUsage,
                "{} turns the text into other tokens than {}; only models with the same tokenizer can be compared",
                escaped(options.baseline), opened.file.path().string());
  }
  const ModelConfig& config = baseline.outline.config;
  require_fit(
      plan_memory(*opened.device, opened.profile, baseline.file, baseline.outline, GroupPlan::identity(config).groups(),
                  CacheType::kF32, options.open.context, options.open.prefill_chunk),
      config, CacheType::kF32);
  baseline.model = Model::load(*opened.device, opened.profile, baseline.file,
                               progress_on_stderr(options.open.device.quiet), &interrupt_flag());
  baseline.grouping = std::make_unique<Grouping>(*baseline.model, GroupPlan::identity(config));
  return baseline;
}

int eval(const EvalOptions& given) {
  EvalOptions options = given;
  const std::string text = read_text_file(options.text_file);
  set_default_chunk(options.open);
  const OpenModel opened = open_model(options.open);
  const ModelConfig& config = opened.outline.config;
  const bool quiet = options.open.device.quiet;
  const auto settings = group_settings(options.groups, opened, options.open.groups, quiet);
  const EvaluationText cut = cut_for_evaluation(opened, text, options.open.context);

  std::optional<BaselineModel> other;
  if (!options.baseline.empty()) other = open_baseline(options, opened, text, cut);
  const Contestant baseline = other ? Contestant{*other->model, *other->grouping, CacheType::kF32}
                                    : Contestant{*opened.model, *opened.grouping, CacheType::kF32};
  std::vector<std::unique_ptr<Grouping>> groupings;
  std::vector<Contestant> contestants;
  for (const auto& groups : settings) {
    auto grouping = make_grouping(opened, options.open.groups, groups, quiet);
    const bool own = grouping->is_identity();
    if (!own) groupings.push_back(std::move(grouping));
    contestants.push_back({*opened.model, own ? *opened.grouping : *groupings.back(), options.open.cache_type()});
  }
  const auto judge = [&] {
    return evaluate(baseline, contestants, cut, {.progress = progress_on_stderr(quiet), .cancel = &interrupt_flag()});
  };
  const std::vector<Evaluation> results = blaming_weights(opened.file, &interrupt_flag(), [&] {
    return other ? blaming_weights(other->file, &interrupt_flag(), judge) : judge();
  });
  opened.device->save_pipeline_cache();

  Json rows = Json::array();
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Grouping& grouping = contestants[i].grouping;
    Json row{{"groups", grouping.plan().groups()},
             {"method", grouping.is_identity() ? Json(nullptr) : Json(options.open.groups.method)}};
    row.update(evaluation_json(results[i]));
    row["kv_bytes_per_token"] = kv_bytes_per_token(config, grouping.plan().groups(), options.open.cache_type());
    rows.push_back(std::move(row));
  }
  const std::string baseline_name = other ? other->file.path().string() : opened.file.path().string();
  if (options.json) {
    Json document = rows.front();  // the first setting's keys stand at the top, too
    document["context"] = options.open.context;
    document["chunks"] = cut.chunks.size();
    document["baseline"] = {{"model", baseline_name}, {"perplexity", results[0].baseline_perplexity}};
    document["model"] = opened.file.path().string();
    document["kv"] = options.open.kv;
    document["rows"] = rows;
    document["device"] = opened.device->info().name;
    document["driver"] = opened.device->info().driver;
    print_json(std::move(document));
    return 0;
  }
  std::printf("%-16s %-10s %12s %12s %10s %10s %9s\n", "G", "method", "perplexity", "of baseline", "KL mean", "KL p99",
              "same top");
  for (std::size_t i = 0; i < results.size(); ++i) {
    const Grouping& grouping = contestants[i].grouping;
    const Evaluation& r = results[i];
    std::printf("%-16s %-10s %12.4f %11.4fx %10.5f %10.4f %8.2f %%\n", groups_text(grouping.plan().groups()).c_str(),
                grouping.is_identity() ? "-" : options.open.groups.method.c_str(), r.perplexity,
                r.perplexity / r.baseline_perplexity, r.kl_mean, r.kl_p99, 100 * r.same_top);
  }
  std::printf("\n%llu tokens in %zu chunks of %u; baseline %s: perplexity %.4f\n",
              static_cast<unsigned long long>(results[0].tokens), cut.chunks.size(), options.open.context,
              baseline_name.c_str(), results[0].baseline_perplexity);
  return 0;
}

}  // namespace

std::function<int()> add_eval(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "eval",
      "Example:\n  regroup eval -m smollm2-135m -f text.txt --groups 3 --groups 1\n\n"
      "Perplexity of a text, and against the baseline (the model itself ungrouped) the Kullback-Leibler divergence of\n"
      "its predictions, mean and 99th percentile, and how often the top token is the same. The text is cut into "
      "chunks\n"
      "of CTX tokens (BOS included, where the model asks for it); every token of a chunk but its first is scored.");
  const auto options = std::make_shared<EvalOptions>();
  EvalOptions& o = *options;
  o.open.kv = "f32";
  o.open.compares_groups = o.open.reads_text = true;
  command->add_option("-m,--model", o.open.model,
                      "GGUF file, Hugging Face directory or fetched name (default: the bundled model)");
  command->add_option("-f,--file", o.text_file, "the text")->required();
  command->add_option("-c,--context", o.open.context, "tokens of a chunk (default: 512, at most the trained context)")
      ->check(CLI::Range(2u, 16u << 20));
  command
      ->add_option("--groups", o.groups,
                   "KV groups: one number for all layers (4), as many as there are layers (8,8,4,2), or settings to "
                   "compare (8,2); several --groups are compared, too")
      ->allow_extra_args(false);
  command->add_option("--baseline", o.baseline, "another model with the same tokenizer to compare with");
  command->add_option("--kv", o.open.kv, "type of the KV cache: f32, f16, q8_0, q4_0; the baseline's is f32")
      ->capture_default_str();
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.open.groups.add_method_options(*command);
  o.open.device.add_options(*command);
  return [options] { return eval(*options); };
}

}  // namespace regroup::cli
