// The stages of tokenizer.json around its model: normaliser, pre-tokeniser, post-processor, decoder.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// All of them throw Error kBadModel naming a type that is not supported, and nlohmann's exceptions for wrong types of
// fields.

// A token's id: a whole number. get<> would cast any number, whether it fits or not.
std::uint32_t token_id(const nlohmann::json& value);

void read_normalizer(const nlohmann::json& node, std::vector<NormalizerStep>& steps);

// Returns whether the pieces become bytes (ByteLevel) at the end.
bool read_pre_tokenizer(const nlohmann::json& node, std::vector<PreTokenizerStep>& steps);

// Sets spec.prefix and spec.suffix; false when the node says nothing about them.
bool read_post_processor(const nlohmann::json& node, TokenizerSpec& spec);

// Whether decoding takes the first space off.
bool strips_leading_space(const nlohmann::json& decoder);

}  // namespace regroup
