// A window with its input: keys as chords, dropped files, size and scale. Knows nothing of what is drawn in it.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "viewer/key_press.h"

struct GLFWwindow;

namespace regroup::view {

class Window {
 public:
  // Needs a WindowSystem and an ImGui context. Throws kNoDevice.
  Window(int width, int height, const std::string& title);
  ~Window();
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  // Waits for input at most that long (0: not at all); ends early on WindowSystem::wake().
  void wait_for_events(double seconds);

  std::vector<KeyPress> take_keys();
  std::vector<std::filesystem::path> take_dropped();
  // Input of any kind, or a changed size, since the last call.
  bool take_activity();
  // The window system has lost what was shown, since the last call.
  bool take_damage();
  // When the earliest key, button or turn of the wheel since the last call came. Of what came while nobody looked
  // only the bounds are known; then the earlier one is told, so that a wait counts as longer rather than shorter.
  std::optional<std::chrono::steady_clock::time_point> take_input();
  bool should_close() const;
  bool is_minimised() const;
  // Window coordinates; pixels of the framebuffer.
  void size(int& width, int& height) const;
  void framebuffer_size(int& width, int& height) const;
  float content_scale() const;

  // Tells ImGui time, mouse and keys of the next frame.
  void begin_frame();

  GLFWwindow* handle() const { return window_; }

 private:
  struct Pressed {
    int key, modifiers;
  };
  static Window& self(GLFWwindow* window);

  GLFWwindow* window_ = nullptr;
  std::vector<KeyPress> keys_;
  std::vector<Pressed> pressed_, held_for_a_frame_;
  std::vector<std::filesystem::path> dropped_;
  bool activity_ = true, damaged_ = true;
  std::optional<std::chrono::steady_clock::time_point> input_;
  std::chrono::steady_clock::time_point wait_began_{}, looked_{};  // of the last wait for events: begin and end

  void note_input();
};

}  // namespace regroup::view
