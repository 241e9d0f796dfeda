// Which tokens end an answer: the vocabulary's own EOS, EOT and EOM, and the names that published models use.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/text/tokenizer_spec.h"

namespace regroup {

// Ids of tokens that end generation by their name. Names that could also be ordinary text ("</s>" is HTML) only count
// for control tokens.
std::vector<std::uint32_t> end_tokens_by_name(const TokenizerSpec& spec);

}  // namespace regroup
