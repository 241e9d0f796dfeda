// Everything that a running viewer is made of: device, screen, engine and contents, and its recovery when the device is
// lost. Windowed and headless runs differ only in the screen.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "viewer/app.h"
#include "viewer/backend/gpu.h"
#include "viewer/backend/screen.h"
#include "viewer/engine.h"

namespace regroup::view {

// ImGui's global context, for as long as the viewer runs.
class ImguiContext {
 public:
  ImguiContext();
  ~ImguiContext();
  ImguiContext(const ImguiContext&) = delete;
  ImguiContext& operator=(const ImguiContext&) = delete;
};

struct StageOptions {
  GpuOptions gpu;
  bool tune = true;  // models are opened with the kernels that are fastest on this device, see open_model()
};

class Stage {
 public:
  using MakeScreen = std::function<std::unique_ptr<Screen>(Gpu&)>;
  // `wake` is called from the engine's thread when something changed, `started` is when the program began. An ImGui
  // context must exist. Throws kNoDevice.
  Stage(const StageOptions& options, Preferences preferences, MakeScreen make_screen, std::function<void()> wake,
        std::chrono::steady_clock::time_point started);
  ~Stage();

  // Draws one frame, on a new device or screen if the old one was lost. Throws kDeviceLost when it is lost again and
  // again.
  void draw();
  // Something changed since the last draw().
  bool is_dirty() const { return dirty_.load(); }

  App& app() { return app_; }
  Engine& engine() { return engine_; }
  SharedState& shared() { return shared_; }
  Gpu& gpu() { return gpu_; }
  Screen& screen() { return *screen_; }
  const ValidationLog& validation() const { return validation_; }

 private:
  void recover();
  // The engine goes on meanwhile: nothing of its own is on the screen.
  void replace_screen();
  void note_recovery();
  void make_screen();

  ValidationLog validation_;
  MakeScreen make_screen_;
  SharedState shared_;
  std::atomic<bool> dirty_{true};
  Gpu gpu_;
  std::unique_ptr<Screen> screen_;
  Engine engine_;
  App app_;
  std::vector<std::chrono::steady_clock::time_point> recoveries_;  // of the last minute
};

}  // namespace regroup::view
