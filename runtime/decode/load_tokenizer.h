// The tokenizer that a model file brings, from either kind of file.
#pragma once

#include <optional>

#include "runtime/file/model_file.h"
#include "runtime/text/tokenizer.h"

namespace regroup {

// Nothing when the file has no tokenizer at all (token ids still work). Throws kBadModel when it has a damaged or
// unsupported one, or one with more tokens than the model's `vocabulary` has rows.
std::optional<Tokenizer> load_tokenizer(const ModelFile& file, std::uint32_t vocabulary);

}  // namespace regroup
