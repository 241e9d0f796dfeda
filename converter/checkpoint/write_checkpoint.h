// Writes the planned output, tensor by tensor, with at most one merged layer in memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "converter/attention_layer.h"
#include "converter/checkpoint/checkpoint_plan.h"
#include "runtime/core/json.h"
#include "runtime/core/progress.h"
#include "runtime/file/atomic_file.h"
#include "runtime/file/gguf_metadata.h"

namespace regroup {

// A text in the metadata or config.json that is known only once the weights are written: `make` gives what takes the
// place of `placeholder`, of the same length.
struct LateText {
  std::string placeholder;
  std::function<std::string()> make;
};

struct WriteCheckpoint {
  const ModelFile& source;
  const ModelConfig& config;
  const CheckpointPlan& plan;
  std::filesystem::path target;
  Overwrite overwrite = Overwrite::kNo;
  GgufMetadata metadata = GgufMetadata();         // plan.kind kGguf
  nlohmann::ordered_json hugging_face = {};       // config.json; plan.kind kHuggingFace
  std::map<std::string, std::string> files = {};  // beside the weights, by name; plan.kind kHuggingFace
  LateText late_text = {};
  // The merged layer that a tensor of the plan asks for.
  std::function<AttentionLayer(std::uint32_t layer)> merged_layer;
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

// Returns the bytes written. Nothing stands at the target before everything was read back. Throws kFailed (disk),
// kInterrupted, kUsage (the target exists).
std::uint64_t write_checkpoint(const WriteCheckpoint& job);

}  // namespace regroup
