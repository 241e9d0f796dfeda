// A headless run: steps from a JSON file drive the same contents as a window, and a report tells what came of them.
// A script is a list of objects, one command each, see script_steps.h. Those for the engine wait until it is idle, and
// frames go on meanwhile.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/core/json.h"
#include "viewer/preferences.h"
#include "viewer/stage.h"

namespace regroup::view {

struct HeadlessOptions {
  StageOptions stage;
  std::string model;                          // opened first; empty: the bundled one
  std::filesystem::path script;               // empty: nothing but the model
  double seconds = 0;                         // 0: all steps; else none is begun that long after the first
  std::filesystem::path screenshot;           // of the last frame; empty: none
  std::vector<std::filesystem::path> traces;  // replayed instead of a model; the second is compared with the first
  std::uint32_t width = 1600, height = 1000;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
};

// The report: {"schema": 1, "reports": [...], "errors": what failed, "exit_code": of the first of them, or 0, and the
// final state}. Throws kUsage naming the step that is wrong, kFailed for one that took too long, kNoDevice.
nlohmann::ordered_json run_headless(const HeadlessOptions& options);

}  // namespace regroup::view
