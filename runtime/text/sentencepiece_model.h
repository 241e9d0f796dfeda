// tokenizer.model: SentencePiece's protobuf, read by hand and bounded.
#pragma once

#include <cstddef>
#include <span>

#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// Byte-pair and unigram models. Throws Error kBadModel for a damaged file and for other kinds of model.
TokenizerSpec read_sentencepiece_model(std::span<const std::byte> bytes);

}  // namespace regroup
