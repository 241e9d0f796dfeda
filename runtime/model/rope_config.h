// Rotary settings as files state them: GGUF keys, and config.json in the styles of transformers 4 and 5.
#pragma once

#include <string>
#include <string_view>

#include "runtime/file/gguf_metadata.h"
#include "runtime/model/json_fields.h"
#include "runtime/model/model_config.h"

namespace regroup {

// <prefix>.rope.freq_base, <prefix>.rope.scaling.*
RopeConfig read_gguf_rope(const GgufMetadata& metadata, std::string_view prefix, double default_theta);

// rope_theta and rope_scaling (transformers 4), or rope_parameters (transformers 5; with `part`, that object within
// it).
RopeConfig read_hugging_face_rope(const JsonFields& config, double default_theta, double context_length,
                                  std::string_view part = {});

// Refuses (kBadModel, naming `file`) what would divide by zero or turn positions into no number.
void check_rope(const RopeConfig& rope, std::uint32_t rotary_dims, const std::string& file);

}  // namespace regroup
