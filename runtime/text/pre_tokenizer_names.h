// How text is cut into words, by the name that GGUF files give it.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// The expression of GPT-2, also what tokenizer.json's ByteLevel uses.
std::string_view gpt2_pattern();

// The steps for tokenizer.ggml.pre = `name`; nothing for a name that is not known.
std::optional<std::vector<PreTokenizerStep>> pre_tokenizer_by_name(std::string_view name);

// Whether the models whose files have that name read texts in normal form C. GGUF has no key for it, so that it is
// known by the name: Qwen's own tokenizers do.
bool composes_text(std::string_view name);

}  // namespace regroup
