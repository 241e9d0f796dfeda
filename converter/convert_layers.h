// Merges the attention layers of a checkpoint one after the other, with one layer of weights resident: `convert` writes
// what comes out to a file, live regrouping loads it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/calibration_text.h"
#include "converter/head_groups.h"
#include "runtime/core/progress.h"
#include "runtime/gpu/device.h"
#include "runtime/model/model.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

enum class GroupingSearch {
  kContiguous,  // neighbouring heads
  kMeasured,    // whichever heads merge with the smallest measured error, where the method may permute them
};

struct MergeSettings {
  std::string method = "auto";        // a row of merges.def, or "auto": the best valid one by held-out error, per layer
  std::vector<std::uint32_t> groups;  // one per layer, each a divisor of the layer's KV heads
  std::optional<GroupingSearch> grouping = {};  // none: what search_of() takes then
  std::uint64_t seed = 0;
};

// One layer when its turn is over.
struct MergedLayer {
  std::uint32_t layer = 0;
  HeadGroups groups;
  std::string method;  // the row of merges.def that made it; "none": left as it is
  std::optional<double>
      error;                 // |y - y_original|^2 / |y_original|^2 of the attention block's output on held-out tokens
  AttentionLayer attention;  // in AttentionLayer's convention; empty matrices where the method is "none"

  bool is_merged() const { return method != "none"; }
};

// Whether `method` ("auto" included) must be given calibration text.
bool needs_calibration(const std::string& method);

// Whether `method` ("auto" included) fits weights to that text.
bool fits_weights(const std::string& method);

// How groups are found: as chosen, or else measured where there is text to measure on and the layers are small enough
// for a quick search.
GroupingSearch search_of(const MergeSettings& settings, const ModelConfig& config);

// Whether any layer is to have fewer groups than it has.
bool merges_any_layer(const ModelOutline& outline, const MergeSettings& settings);

// Throws before any work: kUsage for a method that does not exist or that the architecture forbids (with the reason),
// for a number of groups that does not divide the layer's KV heads (naming tensor and numbers), or for lists of another
// length.
void check_settings(const ModelFile& file, const ModelOutline& outline, const MergeSettings& settings);

struct ConvertLayers {
  const ModelFile& file;
  const ModelOutline& outline;
  const MergeSettings& settings;
  // Both null for methods that need no calibration.
  const CalibrationText* text = nullptr;
  Device* device = nullptr;
  KernelProfile profile = {};
  // Called for every layer in order.
  std::function<void(const MergedLayer&)> sink;
  // A layer that an earlier run finished (it still goes to the sink); may be empty.
  std::function<std::optional<MergedLayer>(std::uint32_t layer)> finished = {};
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

// Throws as check_settings, kNotANumber (see check_finite), kInterrupted, kOutOfMemory, and what the sink throws.
void convert_layers(const ConvertLayers& job);

}  // namespace regroup
