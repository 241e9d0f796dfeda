// regroup replay: runs a recorded run again, perhaps on another device, and names the first place where they part.
#include <cmath>
#include <cstdio>

#include "cli/command.h"
#include "cli/open_model.h"
#include "runtime/core/error.h"
#include "runtime/decode/trace_recorder.h"

namespace regroup::cli {
namespace {

struct ReplayOptions {
  OpenOptions open;
  std::string trace;
  double tolerance = 1e-3;
  bool json = false;
};

// Tokens whose logits are nearer than this, in nats, are a matter of rounding.
constexpr double kTie = 0.05;

bool is_tie(const TraceToken& token, std::uint32_t other) {
  const auto probability = [&](std::uint32_t id) {
    for (const TraceAlternative& alternative : token.alternatives) {
      if (alternative.id == id) return static_cast<double>(alternative.probability);
    }
    return 0.0;
  };
  const double p = probability(token.id), q = probability(other);
  return p > 0 && q > 0 && std::fabs(std::log(p / q)) < kTie;
}

// How the run was made, as far as the trace says.
void take_settings(const Trace& trace, OpenOptions& open) {
  std::optional<std::uint32_t> grouping;
  for (const TraceToken& token : trace.tokens) {
    if (token.prompt) continue;
    if (grouping && *grouping != token.grouping) {
      throw_error(ErrorCode::kUsage, "this run changed G on the way; only runs with one G can be replayed");
    }
    grouping = token.grouping;
  }
  if (!grouping) throw_error(ErrorCode::kUsage, "the trace has no generated tokens; there is nothing to compare");
  const TraceGrouping& used = trace.groupings[*grouping];
  if (used.method != "none") {
    open.groups.groups = fmt::format("{}", fmt::join(used.groups, ","));
    open.groups.method = used.method;
  }
  if (open.model.empty()) open.model = trace.model.path;
  if (trace.sampling) open.groups.seed = trace.sampling->seed;  // of --method random
  open.kv = trace.cache_type;
  open.context = trace.positions;
}

// Feeds what the trace says, token by token, so that every step is comparable with the recorded one.
Trace run_again(const Trace& recorded, const OpenModel& opened, const OpenOptions& open, std::uint32_t& ties) {
  std::vector<std::uint32_t> prompt, given;
  for (const TraceToken& token : recorded.tokens) (token.prompt ? prompt : given).push_back(token.id);
  Session session(*opened.model, *opened.grouping,
                  {.context = open.context,
                   .cache_type = open.cache_type(),
                   .sampling = recorded.sampling.value_or(SamplingSettings{})});
  TraceRecorder recorder(opened.tokenizer ? &*opened.tokenizer : nullptr, prompt);
  recorder.trace().model = trace_model(opened.file.path(), opened.outline, opened.model->weights_bytes());
  session.observe(recorder.observer());
  DecodedToken chosen = session.prefill(prompt, &interrupt_flag(), progress_on_stderr(open.device.quiet));
  for (std::size_t i = 0; i < given.size(); ++i) {
    recorder.take(session, chosen, 0);
    TraceToken& mine = recorder.trace().tokens.back();
    // Somebody else's choices, and near ties, are taken as they are: the layers tell whether the runs part.
    const bool differs = mine.id != given[i];
    if (differs && recorded.sampling && is_tie(mine, given[i])) ++ties;
    if (differs && (!recorded.sampling || is_tie(mine, given[i]))) mine.id = given[i];
    if (i + 1 == given.size()) break;
    if (cancelled(&interrupt_flag())) throw_error(ErrorCode::kInterrupted, "the replay was stopped");
    chosen = differs ? session.prefill({&given[i], 1}) : session.decode();
  }
  return std::move(recorder.trace());
}

int replay(ReplayOptions options) {
  const Trace recorded = trace_from_json(read_text_file(options.trace), options.trace);
  take_settings(recorded, options.open);
  const OpenModel opened = open_model(options.open);
  if (opened.outline.config.layer_count() != recorded.model.layers ||
      opened.outline.config.vocabulary != recorded.model.vocabulary) {
    throw_error(ErrorCode::kUsage,
                "{} is another model than the trace's ({} layers, vocabulary {}); name the right one with -m",
                opened.file.path().string(), recorded.model.layers, recorded.model.vocabulary);
  }
  std::uint32_t ties = 0;
  const Trace again = run_again(recorded, opened, options.open, ties);
  const TraceDifference difference = compare_traces(recorded, again, options.tolerance);
  const bool agree = !difference.first_token && !difference.first_layer;
  if (options.json) {
    const auto number = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
    print_json({{"agree", agree},
                {"first_token", number(difference.first_token)},
                {"first_layer", number(difference.first_layer)},
                {"layer_token", number(difference.layer_token)},
                {"compared_tokens", difference.compared_tokens},
                {"compared_layers", difference.compared_layers},
                {"ties", ties},
                {"tolerance", options.tolerance},
                {"recorded", {{"device", recorded.device}, {"driver", recorded.driver}, {"kernels", recorded.kernels}}},
                {"replayed",
                 {{"device", opened.device->info().name},
                  {"driver", opened.device->info().driver},
                  {"kernels", opened.profile.name}}}});
  } else {
    std::printf("recorded on %s (%s, kernels %s)\nreplayed on %s (%s, kernels %s)\n", escaped(recorded.device).c_str(),
                escaped(recorded.driver).c_str(), escaped(recorded.kernels).c_str(), opened.device->info().name.c_str(),
                opened.device->info().driver.c_str(), std::string(opened.profile.name).c_str());
    std::printf(
        "%s%s\n", difference.describe().c_str(),
        ties > 0 ? fmt::format(" {} choices between nearly equal logits were made as recorded.", ties).c_str() : "");
  }
  opened.device->save_pipeline_cache();
  return agree ? 0 : 1;
}

}  // namespace

std::function<int()> add_replay(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("replay",
                         "Example:\n  regroup run -p \"Once upon a time\" -n 32 --temp 0 --trace t.json\n"
                         "  regroup replay t.json --device llvmpipe\n\n"
                         "Runs a recorded run again, here or on another device, and names the first token and layer "
                         "that differ (exit code\n"
                         "1), or says that they agree.");
  const auto options = std::make_shared<ReplayOptions>();
  ReplayOptions& o = *options;
  command->add_option("trace", o.trace, "file that `regroup run --trace` or the viewer wrote")->required();
  command->add_option("-m,--model", o.open.model, "the model, where it is not at the place that the trace names");
  command->add_option("--tolerance", o.tolerance, "fingerprints of layers may differ by this share of their norm")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.open.device.add_options(*command);
  return [options] { return replay(*options); };
}

}  // namespace regroup::cli
