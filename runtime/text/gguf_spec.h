// A GGUF file's vocabulary made into a tokenizer's specification: defaults, added tokens, merges by id.
#pragma once

#include "runtime/core/vocabulary.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// Throws Error kBadModel when the vocabulary contradicts itself, or splits words in a way that is not
// known.
TokenizerSpec spec_from_vocabulary(const Vocabulary& vocabulary);

}  // namespace regroup
