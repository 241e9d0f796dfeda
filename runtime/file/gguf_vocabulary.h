// Turns GGUF's tokenizer.* keys into a Vocabulary, checked: array lengths agree, special ids exist, byte tokens are
// well formed.
#pragma once

#include <optional>

#include "runtime/core/vocabulary.h"
#include "runtime/file/gguf_metadata.h"

namespace regroup {

// Nothing when the file has no tokenizer (tokenizer.ggml.model "none" or "no_vocab", or no tokenizer.ggml keys). Throws
// kBadModel.
std::optional<Vocabulary> read_gguf_vocabulary(const GgufMetadata& metadata);

}  // namespace regroup
