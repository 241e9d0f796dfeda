#include "viewer/app.h"

#include <imgui.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>

#include "runtime/core/error.h"
#include "runtime/file/replace_file.h"
#include "viewer/actions.h"
#include "viewer/backend/screen.h"
#include "viewer/run_commands.h"
#include "viewer/token_times.h"

namespace regroup::view {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool is_busy(Phase phase) {
  return phase == Phase::kRunning || phase == Phase::kPrefilling || phase == Phase::kMeasuring ||
         phase == Phase::kMerging || phase == Phase::kLoading;
}

// In the working directory, and no file that is there already: nothing is asked before it is written.
std::string new_file(std::string_view what, std::string_view extension) {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &local);
  const std::string name = fmt::format("regroup-{}{}{}", what, what.empty() ? "" : "-", text);
  std::string path = fmt::format("{}.{}", name, extension);
  std::error_code ignored;
  for (int i = 2; std::filesystem::exists(path, ignored); ++i) path = fmt::format("{}-{}.{}", name, i, extension);
  return path;
}

}  // namespace

App::App(Engine& engine, SharedState& shared, Preferences preferences, Clock::time_point started)
    : engine_(engine),
      shared_(shared),
      started_(started),
      preferences_(std::move(preferences)),
      theme_(make_theme(preferences_.theme)) {}

bool App::typing() const {
  return ImGui::GetIO().WantTextInput;
}

void App::set_monitor_scale(float scale) {
  if (scale == monitor_scale_ || scale <= 0) return;
  monitor_scale_ = scale;
  style_changed_ = true;
}

void App::apply_style(Screen& screen) {
  const float scale = static_cast<float>(preferences_.zoom) * monitor_scale_;
  const Fonts fonts = scale == font_scale_ && !screen_changed_ ? static_cast<const Fonts&>(theme_) : build_fonts(scale);
  if (scale != font_scale_ || screen_changed_) screen.upload_fonts();
  font_scale_ = scale;
  theme_ = make_theme(preferences_.theme);
  static_cast<Fonts&>(theme_) = fonts;
  apply_colours(theme_, scale);
  style_changed_ = screen_changed_ = false;
}

bool App::frame(Screen& screen) {
  if (style_changed_) apply_style(screen);
  if (frames_to_draw_ > 0) --frames_to_draw_;
  if (!screen.begin_frame()) return false;
  const auto start = Clock::now();
  ImGui::NewFrame();
  build();
  ImGui::Render();
  const double built_ms = milliseconds_since(start);
  {
    const std::lock_guard lock(shared_.mutex);
    if (is_busy(shared_.state.phase)) last_busy_ = start;
  }
  const bool drawn = screen.show(ImGui::GetDrawData());
  if (owes_answer()) {
    screen.wait_until_drawn();
    // Input that changes nothing to be seen has no answer that took time.
    if (answered_next_ && drawn) ui_.input.add(milliseconds_since(*answered_next_));
    answered_next_.reset();
    // What is asked for while a frame is built is shown by the next one.
    const bool asks = !asked_.empty() || deferred_ != nullptr || chosen_path_.has_value();
    if (asks) std::swap(answered_next_, unanswered_);
    if (unanswered_ && drawn) ui_.input.add(milliseconds_since(*unanswered_));
    unanswered_.reset();
  }
  if (drawn) ui_.built.add(built_ms), ui_.frames.add(milliseconds_since(start));
  note_start_up();
  for (const UserCommand& command : std::exchange(asked_, {})) carry_out(command);
  if (const Action* action = std::exchange(deferred_, nullptr)) action->run(*this);
  if (const auto path = std::exchange(chosen_path_, {})) open_path(*path);
  if (!pictures_.empty()) {
    try {
      const Image image = screen.capture(ImGui::GetDrawData());
      for (const Picture& picture : pictures_) {
        const Rect& a = picture.area;
        const bool whole = a.width() <= 0;
        write_png(picture.path, whole ? image
                                      : crop(image, static_cast<int>(a.min.x), static_cast<int>(a.min.y),
                                             static_cast<int>(a.width()), static_cast<int>(a.height())));
        say(fmt::format("Saved {}.", picture.path.string()));
      }
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kDeviceLost) throw;
      say(error.what(), error.code());
    }
    pictures_.clear();
  }
  return true;
}

void App::carry_out(const UserCommand& command) {
  frames_to_draw_ = 3;
  std::visit([&](const auto& alternative) { handle(alternative); }, command);
}

void App::press(const KeyPress& press) {
  frames_to_draw_ = 3;
  ImGuiIO& io = ImGui::GetIO();
  // Tab begins walking through buttons and fields; then arrows and Space belong to the walk until Escape.
  const bool walking = (io.ConfigFlags & ImGuiConfigFlags_NavEnableKeyboard) != 0;
  if (press.chord == "tab" && !typing()) io.ConfigFlags |= ImGuiConfigFlags_NavEnableKeyboard;
  if (walking && press.chord == "escape") {
    io.ConfigFlags &= ~ImGuiConfigFlags_NavEnableKeyboard;
    return;
  }
  if (walking && (press.chord == "space" || press.chord == "left" || press.chord == "right")) return;
  if (const Action* action = action_for(press, typing())) action->run(*this);
}

void App::input_arrived(Clock::time_point at) {
  draw_more_frames();
  if (!unanswered_ || at < *unanswered_) unanswered_ = at;
}

void App::note_start_up() {
  if (ui_.model_ready_ms > 0) return;
  const double now = milliseconds_since(started_);
  if (ui_.first_frame_ms == 0) ui_.first_frame_ms = now;
  const std::lock_guard lock(shared_.mutex);
  if (shared_.state.trace.model.layers > 0) ui_.model_ready_ms = now;
}

void App::open_path(const std::filesystem::path& path) {
  frames_to_draw_ = 3;
  if (path.extension() == ".json" && path.filename() != "config.json") {
    const auto* compare = preferences_.layout.find("compare");
    const bool beside = compare != nullptr && compare->visible && [&] {
      const std::lock_guard lock(shared_.mutex);
      return !shared_.state.trace.tokens.empty();
    }();
    engine_.post(OpenTrace{path, beside});
  } else {
    engine_.post(OpenModel{path.filename() == "config.json" ? path.parent_path().string() : path.string()});
  }
}

void App::drop(const std::vector<std::filesystem::path>& paths) {
  for (const auto& path : paths) open_path(path);
}

void App::say(std::string message, std::optional<ErrorCode> failure) {
  const std::lock_guard lock(shared_.mutex);
  shared_.state.message = std::move(message);
  shared_.state.failure = failure;
  frames_to_draw_ = 3;
}

void App::handle(const SetTheme& command) {
  preferences_.theme = command.theme;
  style_changed_ = true;
}

void App::handle(const SetZoom& command) {
  preferences_.zoom = std::clamp(command.zoom, 1.0, 3.0);
  style_changed_ = true;
}

void App::handle(const ShowPanel& command) {
  if (auto* cell = preferences_.layout.find(command.panel)) cell->visible = command.visible;
  if (!command.visible && enlarged_ == command.panel) enlarged_.clear();
}

void App::handle(const EnlargePanel& command) {
  enlarged_ = find_panel(command.panel) != nullptr ? command.panel : std::string();
}

void App::handle(const SetPreset& command) {
  preferences_.layout = preset_layout(command.preset);
  enlarged_.clear();
}

void App::handle(const TakeScreenshot& command) {
  pictures_.push_back({command.path.empty() ? new_file("", "png") : command.path.string()});
}

void App::handle(const PinRun&) {
  std::optional<PinnedRun> run;
  {
    const std::lock_guard lock(shared_.mutex);
    run = pinned_run(shared_.state.trace);
  }
  if (!run) return say("There is no run to pin: nothing was decoded yet.", ErrorCode::kUsage);
  constexpr std::size_t kMost = 4;
  if (ui_.pinned.size() == kMost) ui_.pinned.erase(ui_.pinned.begin());
  ui_.pinned.push_back(std::move(*run));
}

void App::handle(const DismissMessage&) {
  const std::lock_guard lock(shared_.mutex);
  shared_.state.message.clear();
}

void App::export_figure(const ExportFigure& command) {
  const auto found = ui_.drawn.find(command.panel);
  const UiState::Drawn* drawn = nullptr;
  if (found != ui_.drawn.end()) {
    for (const auto& candidate : found->second) {
      if (drawn == nullptr && (command.figure.empty() || candidate.figure.id == command.figure)) drawn = &candidate;
    }
  }
  if (drawn == nullptr)
    return say(fmt::format("There is no plot to export in panel '{}'.", escaped(command.panel)), ErrorCode::kUsage);
  constexpr const char* kExtensions[] = {"svg", "csv", "png"};
  const std::filesystem::path path = command.path.empty()
                                         ? new_file(drawn->figure.id, kExtensions[static_cast<int>(command.format)])
                                         : command.path.string();
  if (command.format == ExportFormat::kPng) {
    if (drawn->area.width() <= 0)
      return say("This plot has no room here; enlarge its panel (F) to save a PNG.", ErrorCode::kUsage);
    pictures_.push_back({path, drawn->area});
    return;
  }
  const std::string text =
      command.format == ExportFormat::kSvg ? figure_to_svg(drawn->figure, theme_) : figure_to_csv(drawn->figure);
  try {
    replace_file(path, text);
    say(fmt::format("Saved {}.", path.string()));
  } catch (const Error& error) {
    say(error.what(), error.code());
  }
}

void App::toggle_run() {
  std::vector<EngineCommand> commands;
  {
    const std::lock_guard lock(shared_.mutex);
    const AppState& s = shared_.state;
    const bool running = s.wanted.running.value_or(s.phase == Phase::kRunning || s.phase == Phase::kPrefilling);
    commands = running ? std::vector<EngineCommand>{Pause{}} : run_commands(s, ui_);
  }
  for (EngineCommand& command : commands) carry_out(std::move(command));
}

void App::step() {
  std::vector<EngineCommand> commands;
  {
    const std::lock_guard lock(shared_.mutex);
    commands = step_commands(shared_.state, ui_);
  }
  for (EngineCommand& command : commands) carry_out(std::move(command));
}

void App::save_trace() {
  carry_out(EngineCommand(SaveTrace{new_file("", "json")}));
}

void App::choose_groups(std::uint32_t groups) {
  std::vector<std::uint32_t> choices;
  {
    const std::lock_guard lock(shared_.mutex);
    choices = shared_.state.settings.choices;
  }
  if (std::find(choices.begin(), choices.end(), groups) != choices.end()) {
    carry_out(EngineCommand(SetGroups{{groups}}));
  } else if (!choices.empty()) {
    say(fmt::format("G = {} is not possible here; G can be {}.", groups, fmt::join(choices, ", ")), ErrorCode::kUsage);
  }
}

void App::enlarge_hovered() {
  carry_out(EnlargePanel{enlarged_.empty() ? hovered_panel_ : std::string()});
}

// The plot that the mouse is on, or else the first one of its panel.
void App::export_hovered(ExportFormat format) {
  if (hovered_panel_.empty()) return say("Put the mouse on the panel whose plot is to be saved.", ErrorCode::kUsage);
  std::string figure;
  for (const UiState::Drawn& drawn : ui_.drawn[hovered_panel_]) {
    if (drawn.area.contains(ImGui::GetMousePos())) figure = drawn.figure.id;
  }
  carry_out(ExportFigure{hovered_panel_, figure, format, {}});
}

void App::toggle_palette() {
  palette_open_ = !palette_open_;
  palette_fresh_ = palette_open_;
  palette_filter_.clear();
}

void App::open_file_dialog() {
  dialog_.open();
}

void App::escape() {
  if (typing() && !palette_open_ && !dialog_.is_open()) return;  // the field itself gives up the cursor
  if (palette_open_ || shortcuts_open_ || dialog_.is_open() || !help_of_.empty()) {
    palette_open_ = shortcuts_open_ = false;
    help_of_.clear();
    dialog_.close();
    return;
  }
  if (!enlarged_.empty()) return carry_out(EnlargePanel{});
  bool had_message = false, busy = false;
  {
    const std::lock_guard lock(shared_.mutex);
    had_message = !shared_.state.message.empty();
    shared_.state.message.clear();
    busy = is_busy(shared_.state.phase);
  }
  // Who wants to stop a run that has just come to its end must not lose it.
  constexpr double kGraceMs = 1000;
  if (busy || milliseconds_since(last_busy_) < kGraceMs) return carry_out(EngineCommand(Stop{}));
  if (!had_message) carry_out(EngineCommand(Reset{}));
}

void App::change_zoom(double factor) {
  carry_out(SetZoom{std::round(preferences_.zoom * factor * 20) / 20});
}

void App::next_theme() {
  carry_out(SetTheme{static_cast<ThemeName>((static_cast<int>(preferences_.theme) + 1) % 3)});
}

void App::next_preset() {
  const auto& names = preset_names();
  std::size_t next = 0;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (layout_to_json(preset_layout(names[i])) == layout_to_json(preferences_.layout)) next = (i + 1) % names.size();
  }
  carry_out(SetPreset{names[next]});
}

void App::toggle_quality() {
  bool on = false;
  {
    const std::lock_guard lock(shared_.mutex);
    on = shared_.state.settings.quality;
  }
  carry_out(EngineCommand(SetQuality{!on}));
}

void App::keep_attention_watched() {
  const auto* cell = preferences_.layout.find("attention");
  const bool visible = cell != nullptr && cell->visible && (enlarged_.empty() || enlarged_ == "attention");
  const AppState& s = shared_.state;
  const bool live = s.trace.model.layers > 0 && s.phase != Phase::kReplay && s.phase != Phase::kLoading;
  if (!live || visible == s.settings.attention_layer.has_value()) {
    asked_attention_.reset();
  } else if (asked_attention_ != visible) {  // asked once; the engine may take a while
    asked_attention_ = visible;
    asked_.emplace_back(EngineCommand(WatchAttention{visible ? std::optional<std::uint32_t>(0) : std::nullopt}));
  }
}

}  // namespace regroup::view
