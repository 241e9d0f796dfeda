// A GGUF vocabulary as the tokenizer files of a Hugging Face directory.
#pragma once

#include <map>
#include <string>

#include "runtime/core/vocabulary.h"
#include "runtime/model/model_config.h"

namespace regroup {

// tokenizer.json, tokenizer_config.json and generation_config.json, by name. Throws kBadModel naming `file` for a
// vocabulary that tokenizer.json cannot express.
std::map<std::string, std::string> tokenizer_json_files(const Vocabulary& vocabulary, const ModelConfig& config,
                                                        const std::string& file);

}  // namespace regroup
