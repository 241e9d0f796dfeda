#include "runtime/decode/load_tokenizer.h"

#include <utility>

#include "runtime/core/error.h"
#include "runtime/file/bad_file.h"
#include "runtime/text/gguf_spec.h"
#include "runtime/text/hugging_face.h"

namespace regroup {

namespace {

// A tokenizer's own parts do not know which file they came from; those of a directory know its name only.
template <typename Work>
auto behind(const std::string& where, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kBadModel) throw;
    throw_error(ErrorCode::kBadModel, "{}{}", where, error.what());
  }
}

// The file of a directory that the tokens stand in.
std::string tokens_file(const ModelFile& file) {
  return (file.path() / (file.tokenizer_json().empty() ? "tokenizer.model" : "tokenizer.json")).string();
}

std::optional<TokenizerSpec> read_spec(const ModelFile& file) {
  if (file.kind() == ModelFileKind::kGguf) {
    if (!file.vocabulary()) return std::nullopt;
    return spec_from_vocabulary(*file.vocabulary());
  }
  if (file.tokenizer_json().empty() && file.sentencepiece_model().empty()) return std::nullopt;
  return spec_from_hugging_face({.tokenizer_json = file.tokenizer_json(),
                                 .tokenizer_config_json = file.tokenizer_config_json(),
                                 .generation_config_json = file.generation_config_json(),
                                 .added_tokens_json = file.added_tokens_json(),
                                 .chat_template = file.chat_template(),
                                 .sentencepiece_model = file.sentencepiece_model()});
}

}  // namespace

std::optional<Tokenizer> load_tokenizer(const ModelFile& file, std::uint32_t vocabulary) {
  const std::string path = escaped(file.path().string(), kShownPathBytes);
  const bool gguf = file.kind() == ModelFileKind::kGguf;
  std::optional<TokenizerSpec> spec = behind(path + (gguf ? ": " : "/"), [&] { return read_spec(file); });
  if (!spec) return std::nullopt;
  spec->source = gguf ? path : escaped(tokens_file(file), kShownPathBytes);
  const std::string source = spec->source;
  Tokenizer tokenizer = behind(source + ": ", [&] { return Tokenizer(std::move(*spec)); });
  if (tokenizer.vocabulary_size() > vocabulary) {
    bad_file(gguf ? file.path().string() : tokens_file(file), "{} {} tokens, but the embedding has {} rows",
             gguf ? "tokenizer.ggml.tokens has" : "has", tokenizer.vocabulary_size(), vocabulary);
  }
  return tokenizer;
}

}  // namespace regroup
