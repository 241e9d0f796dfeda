// The loop of a run with a window: waits for input, draws when something changed, sleeps otherwise.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "runtime/core/json.h"
#include "viewer/stage.h"

namespace regroup::view {

struct WindowOptions {
  StageOptions stage;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::string model;                          // empty: the bundled one
  std::vector<std::filesystem::path> traces;  // replayed instead; the second is compared with the first
};

// Until the window is closed; returns the report of the run. Throws kNoDevice when there is no display or no device.
nlohmann::ordered_json run_window(const WindowOptions& options);

}  // namespace regroup::view
