// The window's contents: builds each frame from the state, gathers what is asked for, and carries out what concerns the
// window. Knows neither windows nor Vulkan; a Screen shows what it builds.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "viewer/engine.h"
#include "viewer/file_dialog.h"
#include "viewer/image.h"
#include "viewer/key_press.h"
#include "viewer/panel.h"
#include "viewer/preferences.h"

namespace regroup::view {

struct Action;
class Screen;

class App {
 public:
  // All must outlive the app. `started`: when the program began.
  App(Engine& engine, SharedState& shared, Preferences preferences, std::chrono::steady_clock::time_point started);

  // One frame: begins, builds, shows, and takes the pictures that were asked for. False: nothing could be drawn on.
  bool frame(Screen& screen);

  void press(const KeyPress& press);
  // Input came at that time: how long it takes until a frame shows what came of it is measured.
  void input_arrived(std::chrono::steady_clock::time_point at);
  // A model (empty: the bundled one), or a trace (.json); dropped on the window or chosen.
  void open_path(const std::filesystem::path& path);
  void drop(const std::vector<std::filesystem::path>& paths);
  void carry_out(const UserCommand& command);
  void set_monitor_scale(float scale);

  bool wants_to_quit() const { return quitting_; }
  // Something still moves: draw again without waiting for input.
  bool is_animating() const { return frames_to_draw_ > 0; }
  // Input waits for the frame that answers it.
  bool owes_answer() const { return unanswered_ || answered_next_; }
  void draw_more_frames() { frames_to_draw_ = 3; }
  // The screen is a new one, as after a lost device: it needs the fonts.
  void screen_changed() { style_changed_ = screen_changed_ = true; }
  // The text cursor is in a field.
  bool typing() const;

  UiState& ui() { return ui_; }
  Engine& engine() { return engine_; }
  Preferences& preferences() { return preferences_; }

  // What actions do.
  void toggle_run();
  void step();
  void save_trace();
  void choose_groups(std::uint32_t groups);
  void enlarge_hovered();
  void export_hovered(ExportFormat format);
  void toggle_shortcuts() { shortcuts_open_ = !shortcuts_open_; }
  void toggle_palette();
  void open_file_dialog();
  void escape();
  void change_zoom(double factor);
  void next_theme();
  void next_preset();
  void toggle_quality();

 private:
  void apply_style(Screen& screen);
  void note_start_up();
  void build();
  void draw_top_bar(float height);
  void draw_panels(Rect area);
  void draw_panel(const Panel& panel, Rect area);
  void draw_ground(const Arrangement& arrangement, Rect area);
  void draw_seams(const Arrangement& arrangement, Rect area);
  float message_height(float width) const;
  void draw_message(Rect area);
  void draw_shortcuts();
  void draw_palette();
  void keep_attention_watched();
  void export_figure(const ExportFigure& command);
  void say(std::string message, std::optional<ErrorCode> failure = std::nullopt);

  // Commands for the window.
  void handle(const EngineCommand& command) { engine_.post(command); }
  void handle(const SetTheme& command);
  void handle(const SetZoom& command);
  void handle(const ShowPanel& command);
  void handle(const EnlargePanel& command);
  void handle(const SetPreset& command);
  void handle(const TakeScreenshot& command);
  void handle(const ExportFigure& command) { export_figure(command); }
  void handle(const PinRun&);
  void handle(const UnpinRuns&) { ui_.pinned.clear(); }
  void handle(const DismissMessage&);
  void handle(const Quit&) { quitting_ = true; }

  struct Picture {
    std::filesystem::path path;
    Rect area{};  // empty: the whole window
  };

  Engine& engine_;
  SharedState& shared_;
  std::chrono::steady_clock::time_point started_;
  Preferences preferences_;
  Theme theme_;
  UiState ui_;
  FileDialog dialog_;
  std::vector<UserCommand> asked_;
  std::vector<Picture> pictures_;
  std::string enlarged_, hovered_panel_, help_of_;
  std::optional<bool> asked_attention_;  // to be watched or not, while the engine has not followed yet
  bool style_changed_ = true, screen_changed_ = false;
  float font_scale_ = 0;  // that the atlas was built for
  bool shortcuts_open_ = false;
  bool palette_open_ = false, palette_fresh_ = false;
  std::string palette_filter_;
  // Chosen while a frame was being built; carried out behind it.
  const Action* deferred_ = nullptr;
  std::optional<std::filesystem::path> chosen_path_;
  bool quitting_ = false;
  float monitor_scale_ = 1;
  int frames_to_draw_ = 3;
  std::chrono::steady_clock::time_point last_busy_{};  // that a frame showed something under way
  // The earliest input that no frame shows yet, and that which asked for something in the frame before.
  std::optional<std::chrono::steady_clock::time_point> unanswered_, answered_next_;
  std::string shown_prompt_;  // of the engine, to notice when it changes
};

}  // namespace regroup::view
