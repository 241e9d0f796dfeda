// A conversion in the user's words: groups, method and type as text. What the command line and the C interface call.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "converter/calibration_text.h"
#include "converter/convert_checkpoint.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/model/model_config.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

struct ConversionDevice {
  Device* device = nullptr;
  KernelProfile profile = {};
};

struct Conversion {
  std::filesystem::path input;   // a file or directory, see locate_model
  std::filesystem::path output;  // a name ending .gguf is a file, everything else a directory
  std::string groups;            // "4", "8,8,4,2" or "budget:BYTES_PER_TOKEN"
  std::string method = "auto";
  std::string grouping = "auto";  // which heads share a group: contiguous, measured, auto
  std::string type;               // of all matrices; empty: as the source has them
  std::optional<std::string> calibration_text;
  CalibrationSize size;
  std::uint64_t seed = 0;
  bool overwrite = false;
  bool dry_run = false;
  bool without_tokenizer = false;
  // Called at most once with the input, and only for work that needs a device; what it returns must live until the end.
  std::function<ConversionDevice(const ModelFile&)> open_device;
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

struct ConversionResult {
  ModelConfig config;  // of the source
  ConvertReport report;
  std::vector<std::uint32_t> groups;  // of the output, one per layer
};

// Goes on where an earlier run of the same conversion was stopped: what a budget's plan took stands in
// OUTPUT.regroup-budget until then, finished layers as convert_checkpoint tells. Throws kUsage and kBadModel before any
// work, then kNoDevice, kNotANumber, kInterrupted, kOutOfMemory, kFailed.
ConversionResult run_conversion(const Conversion& conversion);

}  // namespace regroup
