#include "viewer/backend/window_system.h"

#include <GLFW/glfw3.h>

#include <cstdlib>

#include "runtime/core/error.h"

namespace regroup::view {

WindowSystem::WindowSystem() {
  if (glfwInit() == GLFW_FALSE) {
    const char* reason = nullptr;
    glfwGetError(&reason);
    throw_error(ErrorCode::kNoDevice,
                "cannot open a window: {}; on a machine without a display use regroup-view --headless --script "
                "steps.json --screenshot out.png",
                reason != nullptr ? reason : "no display was found");
  }
}

WindowSystem::~WindowSystem() {
  glfwTerminate();
}

void WindowSystem::wake() {
  glfwPostEmptyEvent();
}

std::vector<const char*> window_instance_extensions() {
  std::uint32_t count = 0;
  const char** names = glfwGetRequiredInstanceExtensions(&count);
  if (names == nullptr) {
    throw_error(ErrorCode::kNoDevice, "cannot open a window: the Vulkan driver cannot present to this display");
  }
  return {names, names + count};
}

}  // namespace regroup::view
