// Which tokens begin and end a text, by a Hugging Face directory's generation_config.json and config.json.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace regroup {

// `generation`: generation_config.json's text, empty where there is none. Returns it, with the eos_token_id of `config`
// (config.json) put in where it has none, as transformers does. Throws kBadModel naming file and field unless every
// bos_token_id and eos_token_id of both is null, a token's id or a list of ids, all below config's vocab_size. Both
// names are for errors.
std::string with_end_ids(std::string generation, std::string_view generation_name, const nlohmann::json& config,
                         std::string_view config_name);

}  // namespace regroup
