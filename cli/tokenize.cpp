// regroup tokenize: text to ids as `run` would see them, and back.
#include <cstdio>

#include "cli/command.h"
#include "runtime/core/error.h"
#include "runtime/decode/load_tokenizer.h"
#include "runtime/decode/locate_model.h"
#include "runtime/model/model.h"

namespace regroup::cli {
namespace {

struct TokenizeOptions {
  std::string model, prompt, prompt_file, decode;
  bool json = false;
};

int tokenize(const TokenizeOptions& options) {
  const ModelFile file = ModelFile::open(locate_model(options.model));
  const ModelOutline outline = read_outline(file);
  const auto tokenizer = load_tokenizer(file, outline.config.vocabulary);
  if (!tokenizer) throw_error(ErrorCode::kBadModel, "{} has no tokenizer", file.path().string());
  if (!tokenizer->warning().empty()) note(tokenizer->warning());
  const bool back = !options.decode.empty();
  const auto ids =
      back ? parse_ids(options.decode, "--decode")
           : tokenizer->encode(options.prompt_file.empty() ? options.prompt : read_text_file(options.prompt_file));
  std::vector<std::string> pieces;
  for (const std::uint32_t id : ids) pieces.push_back(tokenizer->piece(id));
  const std::string text = back ? tokenizer->decode(ids) : std::string();
  if (options.json) {
    Json document{{"tokens", ids}, {"pieces", pieces}};
    if (back) document["text"] = text;
    print_json(document);
  } else if (back) {
    print_text(text + "\n");
  } else {
    for (std::size_t i = 0; i < ids.size(); ++i) std::printf("%u\t%s\n", ids[i], escaped(pieces[i], 400).c_str());
  }
  return 0;
}

}  // namespace

std::function<int()> add_tokenize(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "tokenize",
      "Example:\n  regroup tokenize -m smollm2-135m -p \"Hello, world\"\n\nText to token ids, or ids back to text.");
  const auto options = std::make_shared<TokenizeOptions>();
  command->add_option("-m,--model", options->model, "GGUF file, Hugging Face directory or fetched name");
  auto* prompt = command->add_option("-p,--prompt", options->prompt, "text");
  auto* file = command->add_option("-f,--file", options->prompt_file, "text from a file")->excludes(prompt);
  command->add_option("--decode", options->decode, "token ids 1,2,3 to turn into text")
      ->excludes(prompt)
      ->excludes(file);
  command->add_flag("--json", options->json, "one JSON document on stdout");
  return [options] { return tokenize(*options); };
}

}  // namespace regroup::cli
