// regroup logits: the logits of every position, as a numpy file.
#include <cstdio>

#include "cli/command.h"
#include "cli/npy_file.h"
#include "cli/open_model.h"
#include "runtime/core/error.h"
#include "runtime/model/finite_weights.h"

namespace regroup::cli {
namespace {

struct LogitsOptions {
  OpenOptions open;
  std::string tokens, out;
  bool json = false;
};

int logits(const LogitsOptions& options) {
  const auto ids = parse_ids(options.tokens, "--tokens");
  if (ids.empty()) throw_error(ErrorCode::kUsage, "--tokens: give at least one token id");
  OpenOptions open = options.open;
  if (open.context == 0) open.context = static_cast<std::uint32_t>(ids.size());
  const OpenModel opened = open_model(open);
  Session session(*opened.model, *opened.grouping, {.context = open.context, .cache_type = open.cache_type()});
  const std::uint32_t vocabulary = opened.outline.config.vocabulary;
  NpyFile file(options.out, ids.size(), vocabulary);
  blaming_weights(opened.file, &interrupt_flag(), [&] {
    session.all_logits(
        ids, [&](std::size_t, std::span<const float> rows) { file.append(rows); }, &interrupt_flag(),
        progress_on_stderr(open.device.quiet));
  });
  file.commit();
  opened.device->save_pipeline_cache();
  if (options.json) {
    print_json({{"shape", {ids.size(), vocabulary}},
                {"file", options.out},
                {"groups", opened.grouping->plan().groups()},
                {"device", opened.device->info().name},
                {"driver", opened.device->info().driver}});
  } else {
    std::printf("%s: [%zu, %u]\n", options.out.c_str(), ids.size(), vocabulary);
  }
  return 0;
}

}  // namespace

std::function<int()> add_logits(CLI::App& app) {
  CLI::App* command = app.add_subcommand("logits",
                                         "Example:\n  regroup logits -m smollm2-135m --tokens 1,2,3 -o out.npy\n\n"
                                         "Float32 logits of every position as a numpy file [tokens, vocabulary].");
  const auto options = std::make_shared<LogitsOptions>();
  options->open.kv = "f32";
  command->add_option("-m,--model", options->open.model, "GGUF file, Hugging Face directory or fetched name");
  command->add_option("--tokens", options->tokens, "token ids 1,2,3")->required();
  command->add_option("-o,--out", options->out, "the .npy file to write")->required()->check(output_file());
  command->add_option("-c,--context", options->open.context, "context in tokens")->check(CLI::Range(1u, 16u << 20));
  command->add_option("--kv", options->open.kv, "type of the KV cache: f32, f16, q8_0, q4_0")->capture_default_str();
  command->add_flag("--json", options->json, "one JSON document on stdout");
  options->open.groups.add_options(*command);
  options->open.device.add_options(*command);
  return [options] { return logits(*options); };
}

}  // namespace regroup::cli
