// The tokenizer of a Hugging Face directory: tokenizer.json or tokenizer.model, with tokenizer_config.json,
// added_tokens.json, generation_config.json and chat_template.jinja.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "runtime/text/tokenizer_spec.h"

namespace regroup {

struct HuggingFaceTexts {
  std::string_view tokenizer_json, tokenizer_config_json, generation_config_json;  // empty: the file is not there
  std::string_view added_tokens_json;                                              // or empty
  std::string_view chat_template;                                                  // chat_template.jinja, or empty
  std::span<const std::byte> sentencepiece_model;                                  // tokenizer.model, or empty
};

// Prefers tokenizer.json. Throws Error kBadModel naming file and field when a file is damaged, uses something that is
// not supported, or when neither tokenizer file is there.
TokenizerSpec spec_from_hugging_face(const HuggingFaceTexts& texts);

}  // namespace regroup
