// The loop of a run with a window: waits for input, draws when something changed, sleeps otherwise.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "viewer/backend/gpu.h"

namespace regroup::view {

struct WindowOptions {
  GpuOptions gpu;
  std::string model;                          // empty: the bundled one
  std::vector<std::filesystem::path> traces;  // replayed instead; the second is compared with the first
};

// Until the window is closed. Throws kNoDevice when there is no display or no device.
void run_window(const WindowOptions& options);

}  // namespace regroup::view
