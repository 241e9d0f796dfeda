// Finds the chat template in Hugging Face's tokenizer_config.json.
#pragma once

#include <string>
#include <string_view>

namespace regroup {

// `text`: the file's JSON; `file` is named in errors. The Jinja text, or empty when there is none. Throws kBadModel.
std::string find_chat_template(std::string_view text, std::string_view file);

}  // namespace regroup
