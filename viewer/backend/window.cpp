#include "viewer/backend/window.h"

#include <GLFW/glfw3.h>
#include <imgui.h>
#include <imgui_impl_glfw.h>

#include <algorithm>
#include <utility>

#include "runtime/core/error.h"

namespace regroup::view {
namespace {

using Clock = std::chrono::steady_clock;

// "ctrl+shift+p"; empty for keys that are only modifiers or unknown. Printable keys are named by the user's layout.
std::string chord_of(int key, int scancode, int modifiers) {
  std::string name;
  switch (key) {
    case GLFW_KEY_SPACE:
      name = "space";
      break;
    case GLFW_KEY_ESCAPE:
      name = "escape";
      break;
    case GLFW_KEY_LEFT:
      name = "left";
      break;
    case GLFW_KEY_RIGHT:
      name = "right";
      break;
    case GLFW_KEY_UP:
      name = "up";
      break;
    case GLFW_KEY_DOWN:
      name = "down";
      break;
    case GLFW_KEY_TAB:
      name = "tab";
      break;
    case GLFW_KEY_ENTER:
      name = "enter";
      break;
    case GLFW_KEY_KP_ADD:
      name = "+";
      break;
    case GLFW_KEY_KP_SUBTRACT:
      name = "-";
      break;
    default:
      if (key >= GLFW_KEY_F1 && key <= GLFW_KEY_F12) {
        name = "f" + std::to_string(key - GLFW_KEY_F1 + 1);
      } else if (key >= GLFW_KEY_KP_0 && key <= GLFW_KEY_KP_9) {
        name = std::to_string(key - GLFW_KEY_KP_0);
      } else if (const char* printable = glfwGetKeyName(key, scancode)) {
        name = printable;
      }
  }
  if (name.empty()) return name;
  std::string chord;
  if ((modifiers & GLFW_MOD_CONTROL) != 0) chord += "ctrl+";
  // Shift is part of the chord only where it does not merely choose the character.
  if ((modifiers & GLFW_MOD_SHIFT) != 0 &&
      ((modifiers & GLFW_MOD_CONTROL) != 0 && name.size() == 1 && name[0] >= 'a')) {
    chord += "shift+";
  }
  return chord + name;
}

}  // namespace

Window& Window::self(GLFWwindow* window) {
  return *static_cast<Window*>(glfwGetWindowUserPointer(window));
}

Window::Window(int width, int height, const std::string& title) {
  glfwWindowHint(GLFW_CLIENT_API, GLFW_NO_API);
  glfwWindowHint(GLFW_SCALE_TO_MONITOR, GLFW_TRUE);
  window_ = glfwCreateWindow(width, height, title.c_str(), nullptr, nullptr);
  if (window_ == nullptr) {
    const char* reason = nullptr;
    glfwGetError(&reason);
    throw_error(ErrorCode::kNoDevice, "cannot open a window: {}", reason != nullptr ? reason : "unknown reason");
  }
  glfwSetWindowSizeLimits(window_, 480, 320, GLFW_DONT_CARE, GLFW_DONT_CARE);
  glfwSetWindowUserPointer(window_, this);
  glfwSetKeyCallback(window_, [](GLFWwindow* w, int key, int scancode, int action, int modifiers) {
    self(w).activity_ = true;
    if (action == GLFW_RELEASE) return;
    self(w).note_input();
    if (key >= 0) self(w).pressed_.push_back({key, modifiers});
    if (std::string chord = chord_of(key, scancode, modifiers); !chord.empty())
      self(w).keys_.push_back({std::move(chord)});
  });
  glfwSetCharCallback(window_, [](GLFWwindow* w, unsigned int character) {
    self(w).activity_ = true;
    if (character == '?') self(w).keys_.push_back({"?"});
  });
  glfwSetDropCallback(window_, [](GLFWwindow* w, int count, const char** paths) {
    self(w).activity_ = true;
    for (int i = 0; i < count; ++i) self(w).dropped_.emplace_back(paths[i]);
  });
  glfwSetMouseButtonCallback(window_, [](GLFWwindow* w, int, int, int) {
    self(w).activity_ = true;
    self(w).note_input();
  });
  glfwSetScrollCallback(window_, [](GLFWwindow* w, double, double) {
    self(w).activity_ = true;
    self(w).note_input();
  });
  glfwSetCursorPosCallback(window_, [](GLFWwindow* w, double, double) {
    self(w).activity_ = true;
    // A window that opens under the pointer is never entered, and ImGui's backend looks at the mouse only where it was,
    // or where the window has the focus.
    ImGui_ImplGlfw_CursorEnterCallback(w, GLFW_TRUE);
  });
  glfwSetCursorEnterCallback(window_, [](GLFWwindow* w, int) { self(w).activity_ = true; });
  glfwSetFramebufferSizeCallback(window_, [](GLFWwindow* w, int, int) { self(w).activity_ = true; });
  glfwSetWindowContentScaleCallback(window_, [](GLFWwindow* w, float, float) { self(w).activity_ = true; });
  glfwSetWindowRefreshCallback(window_, [](GLFWwindow* w) { self(w).activity_ = self(w).damaged_ = true; });
  glfwSetWindowIconifyCallback(window_, [](GLFWwindow* w, int) { self(w).activity_ = true; });
  glfwSetWindowFocusCallback(window_, [](GLFWwindow* w, int) { self(w).activity_ = true; });
  ImGui_ImplGlfw_InitForVulkan(window_, true);  // calls the functions above in turn
}

Window::~Window() {
  ImGui_ImplGlfw_Shutdown();
  glfwDestroyWindow(window_);
}

void Window::wait_for_events(double seconds) {
  wait_began_ = Clock::now();
  if (seconds > 0) {
    glfwWaitEventsTimeout(seconds);
  } else {
    glfwPollEvents();
  }
  looked_ = Clock::now();
}

// GLFW tells no times: an event that is there as soon as one looks may have come ever since one looked last.
void Window::note_input() {
  const auto now = Clock::now();
  const bool was_there = now - wait_began_ < std::chrono::milliseconds(1);
  const auto came = was_there && looked_ != Clock::time_point{} ? looked_ : now;
  if (!input_ || came < *input_) input_ = came;
}

std::optional<Clock::time_point> Window::take_input() {
  return std::exchange(input_, std::nullopt);
}

std::vector<KeyPress> Window::take_keys() {
  return std::exchange(keys_, {});
}

std::vector<std::filesystem::path> Window::take_dropped() {
  return std::exchange(dropped_, {});
}

bool Window::take_activity() {
  return std::exchange(activity_, false);
}

bool Window::take_damage() {
  return std::exchange(damaged_, false);
}

bool Window::should_close() const {
  return glfwWindowShouldClose(window_) != 0;
}

bool Window::is_minimised() const {
  int width = 0, height = 0;
  framebuffer_size(width, height);
  return width <= 0 || height <= 0 || glfwGetWindowAttrib(window_, GLFW_ICONIFIED) != 0;
}

void Window::size(int& width, int& height) const {
  glfwGetWindowSize(window_, &width, &height);
}

void Window::framebuffer_size(int& width, int& height) const {
  glfwGetFramebufferSize(window_, &width, &height);
}

float Window::content_scale() const {
  float x = 1, y = 1;
  glfwGetWindowContentScale(window_, &x, &y);
  return std::max(x, y);
}

void Window::begin_frame() {
  ImGui_ImplGlfw_NewFrame();
  // ImGui 1.86 looks at keys once a frame: what was pressed and let go in between would be lost on a slow machine. So
  // every press is shown to it for one frame.
  ImGuiIO& io = ImGui::GetIO();
  const auto is_down = [&](int key) { return glfwGetKey(window_, key) == GLFW_PRESS; };
  for (const Pressed& press : held_for_a_frame_) io.KeysDown[press.key] = is_down(press.key);
  if (!held_for_a_frame_.empty() || !pressed_.empty()) {
    io.KeyCtrl = is_down(GLFW_KEY_LEFT_CONTROL) || is_down(GLFW_KEY_RIGHT_CONTROL);
    io.KeyShift = is_down(GLFW_KEY_LEFT_SHIFT) || is_down(GLFW_KEY_RIGHT_SHIFT);
  }
  held_for_a_frame_ = std::exchange(pressed_, {});
  for (const Pressed& press : held_for_a_frame_) {
    io.KeysDown[press.key] = true;
    io.KeyCtrl = io.KeyCtrl || (press.modifiers & GLFW_MOD_CONTROL) != 0;
    io.KeyShift = io.KeyShift || (press.modifiers & GLFW_MOD_SHIFT) != 0;
  }
}

}  // namespace regroup::view
