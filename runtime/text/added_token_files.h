// Tokens that a Hugging Face directory adds to its tokenizer in files beside the one that holds the tokens:
// tokenizer_config.json's added_tokens_decoder, or added_tokens.json in directories from before that field.
#pragma once

#include "runtime/text/json_field.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// Text and flags of an entry of added_tokens_decoder or of tokenizer.json's added_tokens; not the id.
AddedToken read_added_token(const JsonField& entry);

enum class TokenFile { kTokenizerJson, kSentencePieceModel };  // where the tokens in a specification come from

// `config` is tokenizer_config.json, `added` added_tokens.json; both may be empty objects. Throws Error kBadModel
// naming file and field for what is damaged or contradicts the tokens that are there.
void merge_added_tokens(TokenFile from, const JsonField& config, const JsonField& added, TokenizerSpec& spec);

}  // namespace regroup
