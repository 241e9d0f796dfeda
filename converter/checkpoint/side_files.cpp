#include "converter/checkpoint/side_files.h"

#include <array>
#include <fstream>
#include <sstream>
#include <system_error>

#include "converter/checkpoint/tokenizer_to_gguf.h"
#include "converter/checkpoint/tokenizer_to_json.h"
#include "runtime/core/error.h"
#include "runtime/text/hugging_face.h"

namespace regroup {
namespace {

namespace fs = std::filesystem;

// Files that are copied as they are; the first two can stand for a whole tokenizer.
constexpr std::array<const char*, 12> kCopied = {
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json",  "special_tokens_map.json", "added_tokens.json",
    "vocab.json",     "merges.txt",      "generation_config.json", "chat_template.jinja",     "chat_template.json",
    "LICENSE",        "LICENSE.txt"};
// Their presence says that there should be a tokenizer.
constexpr std::array<const char*, 5> kTraces = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                                "vocab.json", "merges.txt"};

bool is_there(const fs::path& path) {
  std::error_code unused;
  return fs::is_regular_file(path, unused);
}

// Whether the source directory has a tokenizer; throws when it has only parts of one.
bool has_tokenizer(const ModelFile& source, bool without, CheckpointPlan& plan) {
  if (!source.tokenizer_json().empty() || !source.sentencepiece_model().empty()) return true;
  for (const char* trace : kTraces) {
    if (without || !is_there(source.path() / trace)) continue;
    throw_error(
        ErrorCode::kBadModel,
        "{}: the directory has {}, but neither tokenizer.json nor tokenizer.model; fetch one of them, or convert "
        "without a tokenizer by --no-tokenizer",
        source.path().string(), trace);
  }
  plan.notes.emplace_back("the source has no tokenizer, so the output has none");
  return false;
}

}  // namespace

void add_tokenizer_keys(GgufMetadata& metadata, const ModelFile& source, const ModelConfig& config, bool without,
                        CheckpointPlan& plan) {
  if (source.kind() == ModelFileKind::kGguf) return;
  if (without || !has_tokenizer(source, without, plan)) {
    metadata.set("tokenizer.ggml.model", std::string("none"));
    return;
  }
  const TokenizerSpec spec = spec_from_hugging_face({.tokenizer_json = source.tokenizer_json(),
                                                     .tokenizer_config_json = source.tokenizer_config_json(),
                                                     .generation_config_json = source.generation_config_json(),
                                                     .added_tokens_json = source.added_tokens_json(),
                                                     .sentencepiece_model = source.sentencepiece_model()});
  add_tokenizer(metadata, spec, config.vocabulary, source.path().string());
  if (!source.chat_template().empty()) metadata.set("tokenizer.chat_template", source.chat_template());
}

std::map<std::string, std::string> tokenizer_files(const ModelFile& source, const ModelConfig& config, bool without,
                                                   CheckpointPlan& plan) {
  std::map<std::string, std::string> files;
  if (source.kind() == ModelFileKind::kGguf) {
    if (source.vocabulary() && !without)
      return tokenizer_json_files(*source.vocabulary(), config, source.path().string());
    plan.notes.emplace_back("the source has no tokenizer, so the output has none");
    return files;
  }
  (void)has_tokenizer(source, without, plan);
  for (const char* name : kCopied) {
    if (!is_there(source.path() / name)) continue;
    std::ifstream in(source.path() / name, std::ios::binary);
    std::ostringstream text;
    // An empty file sets the fail bit of the target; the bad bit is a file that could not be read to its end.
    text << in.rdbuf();
    if (!in || text.bad()) {
      throw_error(ErrorCode::kFailed, "cannot read '{}'", escaped((source.path() / name).string()));
    }
    files[name] = text.str();
  }
  return files;
}

}  // namespace regroup
