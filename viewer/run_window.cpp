#include "viewer/run_window.h"

#include <chrono>

#include "viewer/backend/window.h"
#include "viewer/backend/window_screen.h"
#include "viewer/backend/window_system.h"
#include "viewer/frame_pace.h"
#include "viewer/report.h"
#include "viewer/stage.h"

namespace regroup::view {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

nlohmann::ordered_json run_window(const WindowOptions& options) {
  const std::filesystem::path file = preferences_file();
  const Preferences preferences = load_preferences(file);
  const WindowSystem system;
  const ImguiContext imgui;
  Window window(preferences.width, preferences.height, "regroup");
  StageOptions stage_options = options.stage;
  stage_options.gpu.window = true;
  Stage stage(
      stage_options, preferences, [&](Gpu& g) { return std::make_unique<WindowScreen>(g, window); },
      &WindowSystem::wake, options.started);
  App& app = stage.app();
  if (options.traces.empty()) {
    stage.engine().post(OpenModel{options.model});
  } else {
    stage.engine().post(OpenTrace{options.traces[0], false});
    if (options.traces.size() > 1) {
      stage.engine().post(OpenTrace{options.traces[1], true});
      app.carry_out(SetPreset{"compare"});
    }
  }
  // A CPU driver has better things to do than to draw.
  const bool cpu = stage.gpu().device().info().type == DeviceType::kCpu;
  const FramePace pace = cpu ? FramePace{.published_seconds = 1.0 / 10, .least_seconds = 1.0 / 60} : FramePace{};
  auto drawn = Clock::now() - std::chrono::seconds(1);
  double frame_seconds = 0;
  const auto wish = [&] {
    return FramePace::Wish{.minimised = window.is_minimised(),
                           .owes_answer = app.owes_answer(),
                           .animating = app.is_animating(),
                           .published = stage.is_dirty(),
                           .since_drawn = seconds_since(drawn),
                           .frame_seconds = frame_seconds};
  };
  while (!window.should_close() && !app.wants_to_quit()) {
    window.wait_for_events(pace.wait_seconds(wish()));
    for (const KeyPress& key : window.take_keys()) app.press(key);
    app.drop(window.take_dropped());
    app.set_monitor_scale(window.content_scale());
    if (const auto input = window.take_input()) app.input_arrived(*input);
    if (window.take_activity()) app.draw_more_frames();
    if (!pace.is_due(wish())) continue;
    const auto begin = Clock::now();
    stage.draw();
    drawn = Clock::now();
    frame_seconds += 0.25 * (seconds_since(begin) - frame_seconds);
  }
  Preferences& kept = app.preferences();
  int width = 0, height = 0;
  window.size(width, height);
  const float scale = window.content_scale();  // the window system multiplies again at the next start
  kept.width = static_cast<int>(static_cast<float>(width) / scale);
  kept.height = static_cast<int>(static_cast<float>(height) / scale);
  save_preferences(file, kept);
  return run_report(stage);
}

}  // namespace regroup::view
