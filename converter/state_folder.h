// What a conversion has finished so far, kept beside its output until the output stands: so that the same command goes
// on where it was stopped or killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "converter/budget.h"
#include "converter/calibration_text.h"
#include "converter/convert_layers.h"

namespace regroup {

class StateFolder {
 public:
  // Opens `path` if it holds work for the same `key` (everything that the result depends on), otherwise begins anew.
  // Throws kFailed when it cannot be made, kUsage when something else stands there.
  StateFolder(std::filesystem::path path, std::string key);

  // What a folder at `path`, of whatever key, takes on the disk; 0 where there is none.
  static std::uint64_t bytes(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }

  // A file that is damaged or absent counts as not finished.
  std::optional<MergedLayer> load_layer(std::uint32_t layer) const;
  void save_layer(const MergedLayer& layer) const;
  bool has_layer(std::uint32_t layer) const;
  // What an earlier run left; else what `make` makes, left for the next one.
  CalibrationText text(const std::function<CalibrationText()>& make) const;
  std::optional<BudgetPlan> load_plan() const;
  void save_plan(const BudgetPlan& plan) const;

  // Removes the folder, as far as that is possible: the output stands.
  void discard() noexcept;

 private:
  std::optional<CalibrationText> load_text() const;
  std::filesystem::path layer_path(std::uint32_t layer) const;

  std::filesystem::path path_;
};

// The layer's file: safetensors with the four matrices and the biases, and what is not a matrix in __metadata__.
void write_layer_file(const std::filesystem::path& path, const MergedLayer& layer);
// Throws kBadModel for a file that is not one.
MergedLayer read_layer_file(const std::filesystem::path& path);

}  // namespace regroup
