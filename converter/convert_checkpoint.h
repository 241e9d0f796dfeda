// From one checkpoint to another with fewer KV heads: refusals first, then merging layer by layer, then one streamed
// write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "converter/checkpoint/checkpoint_plan.h"
#include "converter/convert_layers.h"
#include "runtime/core/progress.h"
#include "runtime/file/atomic_file.h"

namespace regroup {

struct ConvertCheckpoint {
  const ModelFile& source;
  const ModelOutline& outline;
  MergeSettings settings;
  OutputChoice output;
  std::filesystem::path target = {};
  Overwrite overwrite = Overwrite::kNo;
  bool without_tokenizer = false;  // goes on where the source's tokenizer files are incomplete
  // Empty for methods that need no calibration. Called once, and not at all where an earlier run left its tokens.
  std::function<CalibrationText()> make_text = {};
  // The text for refining all layers together, where `auto` does that (refines_jointly); empty: it does not.
  std::function<CalibrationText()> make_joint_text = {};
  std::string text_origin = {};      // in words, exact: it stands in the file, and finished layers are kept by it
  std::string source_checksum = {};  // where it is known already, see source_checksum.h; empty: it is computed
  Device* device = nullptr;
  KernelProfile profile = {};
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

struct LayerReport {
  std::uint32_t source_groups = 0, groups = 0;
  std::string method;
  // Of the attention block's output on held-out text; for methods without calibration: of the K and V rows, relative
  // to the heads that a group replaces.
  std::optional<double> error;
  HeadGroups members;
};

struct ConvertReport {
  std::vector<LayerReport> layers;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::vector<std::string> notes;
};

// Everything that can be refused is refused here, before work begins: kUsage, kBadModel, kFailed (a disk
// without room for the output and the finished layers).
CheckpointPlan check_conversion(const ConvertCheckpoint& job);

// Leaves what it finished beside the target when it is stopped or killed (TARGET.regroup-state), and picks it up when
// the same conversion is asked for again.
ConvertReport convert_checkpoint(const ConvertCheckpoint& job);

// What convert_checkpoint would write, without merging anything: sizes, and as errors how far mean pooling would move
// the K and V rows, whatever the method.
ConvertReport outline_conversion(const ConvertCheckpoint& job);

}  // namespace regroup
