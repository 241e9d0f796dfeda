// config.json of an output directory: the source's own where it is one, else made from GGUF keys, in the form that
// transformers loads.
#pragma once

#include "converter/checkpoint/checkpoint_plan.h"
#include "runtime/core/json.h"
#include "runtime/model/model.h"

namespace regroup {

// Throws kUsage for what config.json cannot say, naming it. What transformers will not read is added to plan.notes.
nlohmann::ordered_json hugging_face_config_for(const ModelFile& source, const ModelOutline& outline,
                                               const std::vector<std::uint32_t>& groups, CheckpointPlan& plan);

}  // namespace regroup
