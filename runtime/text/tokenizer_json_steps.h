// The stages of tokenizer.json around its model: normaliser, pre-tokeniser, post-processor, decoder.
#pragma once

#include <vector>

#include "runtime/text/json_field.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// All of them throw Error kBadModel naming the field, for types that are not supported too.

void read_normalizer(const JsonField& node, std::vector<NormalizerStep>& steps);

// Returns whether the pieces become bytes (ByteLevel) at the end.
bool read_pre_tokenizer(const JsonField& node, std::vector<PreTokenizerStep>& steps);

// Sets spec.prefix and spec.suffix; false when the node says nothing about them.
bool read_post_processor(const JsonField& node, TokenizerSpec& spec);

// Whether decoding takes the first space off.
bool strips_leading_space(const JsonField& decoder);

}  // namespace regroup
