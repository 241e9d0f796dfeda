// regroup run: decodes a prompt and streams the text.
#include <chrono>
#include <cstdio>
#include <numeric>

#include "cli/chat.h"
#include "cli/command.h"
#include "cli/open_model.h"
#include "runtime/core/error.h"
#include "runtime/decode/generate.h"
#include "runtime/decode/generate_batch.h"
#include "runtime/decode/session.h"
#include "runtime/decode/trace_recorder.h"
#include "runtime/file/replace_file.h"

namespace regroup::cli {
namespace {

struct RunOptions {
  OpenOptions open;
  std::vector<std::string> prompts;
  std::string prompt_file, tokens;
  std::uint32_t max_tokens = 128;
  SamplingSettings sampling{.temperature = 0.8f, .top_k = 40, .top_p = 0.95f, .min_p = 0.05f};
  std::vector<std::string> stops;
  bool json = false;
  bool chat = false;
  std::string system;
  std::string trace;  // file to write the run down in
};

std::string prompt_text(const RunOptions& options) {
  return options.prompts.empty() ? std::string() : options.prompts.front();
}

std::vector<std::uint32_t> text_ids(const RunOptions& options, const OpenModel& opened, const std::string& text) {
  if (options.chat) return Conversation(*opened.tokenizer, options.system, options.open.device.quiet).user_turn(text);
  std::vector<std::uint32_t> ids = opened.tokenizer->encode(text);
  if (ids.empty())
    throw_error(ErrorCode::kUsage, "the prompt is empty and this model has no BOS token; give a prompt with -p");
  return ids;
}

std::vector<std::uint32_t> prompt_ids(const RunOptions& options, const OpenModel& opened) {
  if (!options.tokens.empty()) return parse_ids(options.tokens, "--tokens");
  return text_ids(options, opened, prompt_text(options));
}

double tokens_per_second(const GenerateResult& result) {
  double total = 0;
  for (const double ms : result.decode_ms) total += ms;
  return total > 0 ? 1000.0 * static_cast<double>(result.decode_ms.size()) / total : 0.0;
}

Json result_json(const std::vector<std::uint32_t>& prompt, const GenerateResult& result) {
  return {{"prompt_tokens", prompt},
          {"tokens", result.tokens},
          {"text", result.text},
          {"stop_reason", stop_reason_name(result.stop)},
          {"prefill_ms", result.prefill_ms},
          {"decode_ms", result.decode_ms},
          {"tokens_per_second", tokens_per_second(result)}};
}

// What is the same for all sequences of a run.
Json run_json(const RunOptions& options, const OpenModel& opened, std::uint32_t context, std::uint64_t kv_bytes) {
  const auto groups = opened.grouping->plan().groups();
  return {{"kv_bytes", kv_bytes},
          {"kv_bytes_per_token", kv_bytes_per_token(opened.outline.config, groups, options.open.cache_type())},
          {"kv_type", options.open.kv},
          {"weights_bytes", opened.model->weights_bytes()},
          {"groups", groups},
          {"method", opened.grouping->is_identity() ? Json(nullptr) : Json(options.open.groups.method)},
          {"context", context},
          {"temperature", options.sampling.temperature},
          {"kernels", opened.profile.name},
          {"device", opened.device->info().name},
          {"driver", opened.device->info().driver}};
}

// Several prompts, decoded together; prompt i is sampled with seed + i.
int run_together(RunOptions& options, OpenModel& opened) {
  const auto count = static_cast<std::uint32_t>(options.prompts.size());
  std::vector<BatchRequest> requests;
  for (const std::string& text : options.prompts) {
    SamplingSettings sampling = options.sampling;
    sampling.seed += requests.size();
    requests.push_back({text_ids(options, opened, text), sampling});
  }
  const std::uint32_t context = usable_context(*opened.model, options.open.context);
  require_cache(*opened.device, opened.outline.config, opened.grouping->plan().groups(), options.open.cache_type(),
                context, count);
  std::optional<Batch> batch;
  const auto start = [&] {
    within_memory(opened, options.open.cache_type(), [&] {
      batch.emplace(*opened.model, *opened.grouping,
                    BatchOptions{.sequences = count, .context = context, .cache_type = options.open.cache_type()});
    });
  };
  const auto recover = [&](const Error& failure) -> Batch* {
    batch.reset();
    if (!make_ready_again(opened, options.open, failure)) return nullptr;
    start();
    return &*batch;
  };
  start();
  const Tokenizer* tokenizer = opened.tokenizer ? &*opened.tokenizer : nullptr;
  const std::vector<GenerateResult> results =
      generate_batch(*batch, tokenizer, requests,
                     {.max_tokens = options.max_tokens, .stops = options.stops, .cancel = &interrupt_flag()}, recover);
  bool interrupted = false;
  Json sequences = Json::array();
  for (std::uint32_t s = 0; s < count; ++s) {
    interrupted = interrupted || results[s].stop == StopReason::kInterrupted;
    if (options.json) {
      Json one = result_json(requests[s].prompt, results[s]);
      one["seed"] = requests[s].sampling.seed;
      sequences.push_back(std::move(one));
      continue;
    }
    std::printf("%s=== %u: %s\n", s == 0 ? "" : "\n", s + 1, escaped(options.prompts[s]).c_str());
    print_text(results[s].text + "\n");
  }
  if (options.json) {
    Json document = sequences.front();
    document.update(run_json(options, opened, context, batch->cache().bytes()));
    document["sequences"] = std::move(sequences);
    print_json(std::move(document));
  } else if (!options.open.device.quiet) {
    double tokens = 0, ms = 0;
    std::size_t steps = 0;
    for (const GenerateResult& result : results) {
      tokens += static_cast<double>(result.tokens.size());
      // The longest sequence took part in every step.
      if (result.decode_ms.size() <= steps) continue;
      steps = result.decode_ms.size();
      ms = std::accumulate(result.decode_ms.begin(), result.decode_ms.end(), 0.0);
    }
    note(fmt::format("{} sequences, {:.0f} tokens in {} steps, {:.1f} t/s together, KV cache {}, G {}", count, tokens,
                     steps, ms > 0 ? 1000.0 * tokens / ms : 0.0, human_bytes(batch->cache().bytes()),
                     groups_text(opened.grouping->plan().groups())));
  }
  opened.device->save_pipeline_cache();
  return interrupted ? 130 : 0;
}

void write_trace(const RunOptions& options, const OpenModel& opened, const Session& session,
                 const GenerateResult& result, Trace& trace) {
  trace.device = opened.device->info().name;
  trace.driver = opened.device->info().driver;
  trace.kernels = opened.profile.name;
  trace.cache_type = cache_type_name(session.cache().type());
  trace.positions = session.context();
  trace.prefill_ms = result.prefill_ms;
  trace.sampling = options.sampling;
  trace.groupings = {trace_grouping(session, options.open.groups.method)};
  const std::string text = trace_to_json(trace);
  replace_file(options.trace, text);
}

int run(RunOptions options) {
  if (!options.trace.empty() &&
      (options.prompts.size() > 1 || (options.chat && stdin_is_terminal() && !options.json))) {
    throw_error(ErrorCode::kUsage, "--trace writes down one prompt and its answer; give one -p, and no conversation");
  }
  if (options.prompts.size() > 1 && options.chat && !options.json && stdin_is_terminal()) {
    throw_error(ErrorCode::kUsage, "--chat on a terminal takes one -p, {} are given", options.prompts.size());
  }
  if (!options.tokens.empty() && options.chat) {
    throw_error(ErrorCode::kUsage, "--tokens are ids of a whole prompt, to which --chat cannot add a template");
  }
  if (!options.system.empty() && !options.chat) throw_error(ErrorCode::kUsage, "--system is for --chat");
  if (!options.prompt_file.empty()) options.prompts = {read_text_file(options.prompt_file)};
  options.open.reads_text = options.tokens.empty();
  OpenModel opened = open_model(options.open);
  if (options.prompts.size() > 1) return run_together(options, opened);
  if (options.chat && !options.json && stdin_is_terminal()) {
    return chat_on_terminal(opened, {.open = options.open,
                                     .system = options.system,
                                     .first_message = prompt_text(options),
                                     .max_tokens = options.max_tokens,
                                     .sampling = options.sampling,
                                     .stops = options.stops});
  }
  const std::vector<std::uint32_t> prompt = prompt_ids(options, opened);
  const Tokenizer* tokenizer = opened.tokenizer ? &*opened.tokenizer : nullptr;
  TraceRecorder recorder(tokenizer, prompt);
  recorder.trace().model = trace_model(opened.file.path(), opened.outline, opened.model->weights_bytes());
  LastingSession lasting(opened, options.open, options.sampling,
                         options.trace.empty() ? StepObserver{} : recorder.observer());
  GenerateOptions generation{.max_tokens = options.max_tokens,
                             .stops = options.stops,
                             .on_prefill = progress_on_stderr(options.open.device.quiet),
                             .cancel = &interrupt_flag(),
                             .recover = [&](const Error& failure) { return lasting.recover(failure); }};
  if (!options.json) {
    generation.on_text = print_text;
    if (tokenizer == nullptr) {
      generation.on_token = [](const DecodedToken& token) {
        std::printf("%u\n", token.id);
        std::fflush(stdout);
      };
    }
  }
  if (!options.trace.empty()) {
    generation.on_token = [&, shown = generation.on_token,
                           last = std::chrono::steady_clock::now()](const DecodedToken& token) mutable {
      if (shown) shown(token);
      const auto now = std::chrono::steady_clock::now();
      recorder.take(lasting.get(), token, std::chrono::duration<double, std::milli>(now - last).count());
      last = std::chrono::steady_clock::now();
    };
  }
  const GenerateResult result = generate(lasting.get(), tokenizer, prompt, generation);
  const Session& session = lasting.get();
  const auto groups = opened.grouping->plan().groups();
  if (!options.trace.empty()) write_trace(options, opened, session, result, recorder.trace());
  if (options.json) {
    Json document = result_json(prompt, result);
    document.update(run_json(options, opened, session.context(), session.cache().bytes()));
    document["seed"] = options.sampling.seed;
    document["dispatches_per_token"] = session.dispatches_per_token();
    print_json(std::move(document));
  } else {
    if (tokenizer != nullptr) std::printf("\n");
    if (!options.open.device.quiet) {
      note(fmt::format("prompt {} tokens {:.1f} t/s, decode {} tokens {:.1f} t/s, KV cache {}, G {}, stop: {}",
                       prompt.size(),
                       result.prefill_ms > 0 ? 1000.0 * static_cast<double>(prompt.size()) / result.prefill_ms : 0.0,
                       result.tokens.size(), tokens_per_second(result), human_bytes(session.cache().bytes()),
                       groups_text(groups), stop_reason_name(result.stop)));
    }
  }
  opened.device->save_pipeline_cache();
  return result.stop == StopReason::kInterrupted ? 130 : 0;
}

}  // namespace

std::function<int()> add_run(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("run",
                         "Example:\n  regroup run -m smollm2-135m -p \"The capital of France is\" -n 32 --temp 0\n\n"
                         "Decodes a prompt and streams the text as it comes.");
  const auto options = std::make_shared<RunOptions>();
  RunOptions& o = *options;
  command->add_option("-m,--model", o.open.model,
                      "GGUF file, Hugging Face directory or fetched name (default: the bundled model)");
  // A vector option would take further words, and texts in brackets for lists.
  auto* prompt =
      command
          ->add_option("-p,--prompt", o.prompts, "prompt text; several -p are decoded together, prompt i with seed + i")
          ->allow_extra_args(false);
  auto* file = command->add_option("-f,--file", o.prompt_file, "prompt text from a file")->excludes(prompt);
  command->add_option("--tokens", o.tokens, "prompt as token ids 1,2,3")->excludes(prompt)->excludes(file);
  command->add_option("-n,--predict", o.max_tokens, "most tokens to generate")
      ->check(CLI::Range(1u, 1u << 24))
      ->capture_default_str();
  command->add_option("-c,--context", o.open.context, "context in tokens (default: the model's, at most 4096)")
      ->check(CLI::Range(1u, 16u << 20));
  command->add_option("--temp", o.sampling.temperature, "temperature; 0 is greedy")
      ->check(CLI::Range(0.0, 100.0))
      ->capture_default_str();
  command->add_option("--top-k", o.sampling.top_k, "keep the K most probable tokens; 0 is off")->capture_default_str();
  command->add_option("--top-p", o.sampling.top_p, "keep the most probable tokens up to this sum; 1 is off")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--min-p", o.sampling.min_p, "drop tokens below this share of the most probable; 0 is off")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command->add_option("--repeat-penalty", o.sampling.repeat_penalty, "penalty for recent tokens; 1 is off")
      ->check(CLI::Range(0.01, 100.0))
      ->capture_default_str();
  command->add_option("-s,--seed", o.sampling.seed, "seed of the random choice")->capture_default_str();
  command->add_option("--stop", o.stops, "stop in front of this text (may be given several times)")
      ->allow_extra_args(false);
  command->add_option("--kv", o.open.kv, "type of the KV cache: f32, f16, q8_0, q4_0")->capture_default_str();
  command->add_flag("--chat", o.chat, "apply the model's chat template; on a terminal, keep a conversation");
  command->add_option("--system", o.system, "system message of a chat");
  command->add_option("--trace", o.trace, "write ids, best alternatives and a fingerprint of every layer to this file")
      ->check(output_file());
  command->add_flag("--json", o.json, "one JSON document on stdout");
  o.open.groups.add_options(*command);
  o.open.device.add_options(*command);
  return [options] {
    options->open.groups.seed = options->sampling.seed;
    return run(*options);
  };
}

}  // namespace regroup::cli
