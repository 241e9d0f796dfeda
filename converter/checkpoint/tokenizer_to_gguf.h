// A tokenizer as GGUF's tokenizer.ggml.* keys.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/file/gguf_metadata.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// `vocabulary`: rows of the embedding; ids without a token are filled up. Throws kBadModel naming `file` for what the
// keys cannot say.
void add_tokenizer(GgufMetadata& metadata, const TokenizerSpec& spec, std::uint32_t vocabulary,
                   const std::string& file);

}  // namespace regroup
