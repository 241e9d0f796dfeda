#include "runtime/decode/load_tokenizer.h"

#include "runtime/core/error.h"
#include "runtime/text/hugging_face.h"

namespace regroup {

namespace {

std::optional<Tokenizer> make_tokenizer(const ModelFile& file) {
  std::optional<Tokenizer> tokenizer;
  if (file.kind() == ModelFileKind::kGguf) {
    if (!file.vocabulary()) return std::nullopt;
    tokenizer.emplace(*file.vocabulary());
  } else {
    if (file.tokenizer_json().empty() && file.sentencepiece_model().empty()) return std::nullopt;
    tokenizer.emplace(spec_from_hugging_face({.tokenizer_json = file.tokenizer_json(),
                                              .tokenizer_config_json = file.tokenizer_config_json(),
                                              .generation_config_json = file.generation_config_json(),
                                              .sentencepiece_model = file.sentencepiece_model()}));
  }
  return tokenizer;
}

}  // namespace

std::optional<Tokenizer> load_tokenizer(const ModelFile& file, std::uint32_t vocabulary) {
  std::optional<Tokenizer> tokenizer;
  try {
    tokenizer = make_tokenizer(file);
  } catch (const Error& error) {
    // Tokenizers do not know where their parts came from.
    if (error.code() != ErrorCode::kBadModel) throw;
    throw_error(ErrorCode::kBadModel, "{}: {}", file.path().string(), error.what());
  }
  if (tokenizer && tokenizer->vocabulary_size() > vocabulary) {
    throw_error(ErrorCode::kBadModel, "{}: the tokenizer has {} tokens, the embedding only {} rows",
                file.path().string(), tokenizer->vocabulary_size(), vocabulary);
  }
  return tokenizer;
}

}  // namespace regroup
