// GLFW itself: started once, ended with the program.
#pragma once

#include <string>
#include <vector>

namespace regroup::view {

class WindowSystem {
 public:
  // Throws kNoDevice when there is no display.
  WindowSystem();
  ~WindowSystem();
  WindowSystem(const WindowSystem&) = delete;
  WindowSystem& operator=(const WindowSystem&) = delete;

  // Ends a wait for events; from any thread.
  static void wake();
};

// What an instance needs so that it can present to windows. Throws kNoDevice when it cannot.
std::vector<const char*> window_instance_extensions();

}  // namespace regroup::view
