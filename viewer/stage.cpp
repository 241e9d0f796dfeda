#include "viewer/stage.h"

#include <imgui.h>

#include "runtime/core/error.h"
#include "viewer/opened_model.h"

namespace regroup::view {
namespace {

// A device that is lost more often within a minute will not come back.
constexpr std::size_t kMostRecoveries = 5;

}  // namespace

ImguiContext::ImguiContext() {
  ImGui::CreateContext();
  ImGuiIO& io = ImGui::GetIO();
  io.IniFilename = nullptr;  // preferences.h keeps what is worth keeping
  io.LogFilename = nullptr;
  build_fonts(1.0f);  // the renderer wants fonts before the first frame
}

ImguiContext::~ImguiContext() {
  ImGui::DestroyContext();
}

Stage::Stage(const StageOptions& options, Preferences preferences, MakeScreen make_screen, std::function<void()> wake,
             std::chrono::steady_clock::time_point started)
    : make_screen_(std::move(make_screen)),
      gpu_(options.gpu, validation_),
      screen_(make_screen_(gpu_)),
      engine_(shared_, options.tune,
              [this, wake = std::move(wake)] {
                if (!dirty_.exchange(true)) wake();
              }),
      app_(engine_, shared_, std::move(preferences), started) {
  shared_.state.device = describe_device(gpu_.device(), kernel_profile(gpu_.device()));
  engine_.attach(gpu_.device());
}

Stage::~Stage() {
  engine_.detach();
  gpu_.device().save_pipeline_cache();
}

void Stage::draw() {
  dirty_ = false;
  bool lost = false;
  {
    const std::lock_guard lock(shared_.mutex);
    lost = shared_.state.phase == Phase::kLost;
    if (const auto messages = validation_.messages(); !messages.empty()) {
      shared_.state.warnings = {fmt::format("{} validation messages; the first: {}", messages.size(), messages[0])};
    }
  }
  try {
    if (lost) recover();
    app_.frame(*screen_);
    if (screen_->is_lost()) replace_screen();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kDeviceLost) throw;
    recover();
  }
}

void Stage::note_recovery() {
  const auto now = std::chrono::steady_clock::now();
  std::erase_if(recoveries_, [&](auto at) { return now - at > std::chrono::minutes(1); });
  recoveries_.push_back(now);
  if (recoveries_.size() > kMostRecoveries) {
    throw_error(ErrorCode::kDeviceLost,
                "the device or its screen was lost {} times within a minute; it cannot be used any more",
                recoveries_.size());
  }
}

void Stage::make_screen() {
  screen_ = make_screen_(gpu_);
  app_.screen_changed();
  app_.draw_more_frames();
  dirty_ = true;
}

void Stage::replace_screen() {
  note_recovery();
  screen_.reset();  // a window has one surface at a time
  make_screen();
}

void Stage::recover() {
  note_recovery();
  engine_.detach();
  screen_.reset();
  gpu_.rebuild_device();
  make_screen();
  {
    // Opening the model again takes many frames; the next of them must not take the device for lost once more.
    const std::lock_guard lock(shared_.mutex);
    if (shared_.state.phase == Phase::kLost) shared_.state.phase = Phase::kLoading;
  }
  engine_.attach(gpu_.device());
}

}  // namespace regroup::view
