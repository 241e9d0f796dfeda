// The key/value pairs of an output GGUF file: the source's own where it is one, else made from config.json.
#pragma once

#include "converter/checkpoint/checkpoint_plan.h"
#include "runtime/file/gguf_metadata.h"
#include "runtime/model/model.h"

namespace regroup {

// Throws kUsage for what a GGUF file of the architecture cannot say (some rotary scalings), naming it. What other
// programs will not read the same way is added to plan.notes. Without the tokenizer's keys unless the source is GGUF.
GgufMetadata gguf_metadata_for(const ModelFile& source, const ModelOutline& outline,
                               const std::vector<std::uint32_t>& groups, CheckpointPlan& plan);

}  // namespace regroup
