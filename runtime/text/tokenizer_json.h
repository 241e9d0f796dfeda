// tokenizer.json of Hugging Face's tokenizers library (the styles of transformers 4 and 5) to a specification.
#pragma once

#include <string_view>

#include "runtime/text/tokenizer_spec.h"

namespace regroup {

struct TokenizerJson {
  TokenizerSpec spec;               // without bos, eos and end_of_generation: those stand in tokenizer_config.json
  bool has_post_processor = false;  // spec.prefix and spec.suffix are settled
};

// Throws Error kBadModel naming the field for a damaged file and for everything that is not supported.
TokenizerJson read_tokenizer_json(std::string_view text);

}  // namespace regroup
