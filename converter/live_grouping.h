// Every merge method for a loaded model: pooled on the device in milliseconds where that is all the method does,
// otherwise merged layer by layer and kept in the user's cache, so that the second time is instant.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "converter/convert_layers.h"
#include "runtime/core/progress.h"
#include "runtime/file/model_file.h"
#include "runtime/model/grouping.h"
#include "runtime/model/model.h"
#include "runtime/text/tokenizer.h"

namespace regroup {

// mean, first and random: no more than sums of rows.
bool is_instant(std::string_view method);

struct LiveGrouping {
  const ModelFile& file;  // what `model` was loaded from
  const ModelOutline& outline;
  const Model& model;
  const Tokenizer* tokenizer = nullptr;
  MergeSettings settings;
  // Calibration: this text, or without one text sampled from the model itself.
  std::optional<std::string> calibration_text = {};
  CalibrationSize calibration = {};
  std::filesystem::path cache_folder = {};            // empty: nothing is kept
  std::function<void(std::string_view)> remark = {};  // what the user may want to know, one line each
  Progress progress = {};
  const CancelFlag* cancel = nullptr;
};

// Throws kUsage (unknown method, groups that do not divide, a method that the architecture forbids, no tokenizer for a
// calibration text), kInterrupted, kOutOfMemory. A cache file that is damaged or cannot be written is no failure.
std::unique_ptr<Grouping> make_live_grouping(const LiveGrouping& job);

// The numbers of groups, one per layer, that lose least within a budget of cache bytes per token (in a cache of f16),
// by measured damage on the calibration text of `job`, whose groups do not count; kept in the cache folder, too. Throws
// kUsage when even one group per layer takes more.
std::vector<std::uint32_t> groups_for_budget(const LiveGrouping& job, std::uint64_t bytes_per_token);

// Where make_live_grouping keeps what it made for this job: named by everything that the result depends on.
std::filesystem::path live_grouping_path(const LiveGrouping& job);

}  // namespace regroup
