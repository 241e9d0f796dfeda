// A headless run: steps from a JSON file drive the same contents as a window, and a report tells what came of them.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "viewer/backend/gpu.h"
#include "viewer/preferences.h"

namespace regroup::view {

struct HeadlessOptions {
  GpuOptions gpu;
  std::string model;                   // opened first; empty: the bundled one
  std::filesystem::path script;        // empty: nothing but the model
  std::filesystem::path screenshot;    // of the last frame; empty: none
  std::vector<std::filesystem::path> traces;  // replayed instead of a model; the second is compared with the first
  std::uint32_t width = 1600, height = 1000;
};

// The report: {"schema": 1, "reports": [...], and the final state}. Throws kUsage naming the step that is wrong, kFailed
// for one that took too long, kNoDevice.
nlohmann::ordered_json run_headless(const HeadlessOptions& options);

}  // namespace regroup::view
