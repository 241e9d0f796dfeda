// What a checkpoint holds beside weights and config: the tokenizer, the chat template, and small files that go along.
#pragma once

#include <map>
#include <string>

#include "converter/checkpoint/checkpoint_plan.h"
#include "runtime/file/gguf_metadata.h"
#include "runtime/file/model_file.h"
#include "runtime/model/model_config.h"

namespace regroup {

// Adds tokenizer.* keys to the metadata of an output GGUF file (nothing to do where the source is GGUF: its keys are
// there). Throws kBadModel when the source's tokenizer files are incomplete and `without` is not set, or when GGUF has
// no form for its tokenizer; adds a note when the source has none at all.
void add_tokenizer_keys(GgufMetadata& metadata, const ModelFile& source, const ModelConfig& config, bool without,
                        CheckpointPlan& plan);

// The files of an output directory beside config.json and the weights, by name. Throws as add_tokenizer_keys.
std::map<std::string, std::string> tokenizer_files(const ModelFile& source, const ModelConfig& config, bool without,
                                                   CheckpointPlan& plan);

}  // namespace regroup
