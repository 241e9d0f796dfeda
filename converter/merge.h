// The methods that merge the KV heads of one attention layer into groups: one row of merges.def and one file of merges/
// each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/head_groups.h"
#include "converter/layer_statistics.h"
#include "runtime/core/progress.h"

namespace regroup {

class LayerCalibration;

// What a method may use beside the weights. Null: there is none (a method that needs it says so in its row).
struct MergeInput {
  const LayerStatistics* statistics = nullptr;
  LayerCalibration* calibration = nullptr;  // teacher and student activations on the device, see layer_calibration.h
  std::uint64_t seed = 0;                   // of `random`, and of what a method draws
  std::uint32_t layer = 0;
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

// What a method needs from calibration text.
enum class MergeNeeds {
  kWeights,      // nothing
  kStatistics,   // second moments
  kActivations,  // the inputs themselves, and passes over them on the device
};

struct MergeMethod {
  std::string_view name;  // as --method takes it
  std::string_view summary;
  MergeNeeds needs;
  bool changes_queries;  // rewrites Q and O too, which per-head norms of Q and K forbid
  AttentionLayer (*merge)(const AttentionLayer& source, const HeadGroups& groups, const MergeInput& input);
};

// All rows of merges.def ("auto" is not one: it chooses among them).
const std::vector<const MergeMethod*>& merge_methods();
// Throws kUsage for an unknown name, listing the known ones.
const MergeMethod& merge_method_named(std::string_view name);
// Why `method` cannot be used on a layer like `layer`; nothing when it can.
std::optional<std::string> refusal(const MergeMethod& method, const AttentionLayer& layer);

// Throws kInterrupted once the caller wants to stop.
void check_cancelled(const MergeInput& input);

// `source` with its query heads and output columns in the order of `groups`, K and V untouched: where every method
// that permutes begins.
AttentionLayer with_query_order(const AttentionLayer& source, const HeadGroups& groups);

}  // namespace regroup
