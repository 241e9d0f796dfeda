// The Vulkan instance and device that window and engine share. A CPU driver works through one queue after the other's
// submissions and compiles kernels in between, for seconds at times; there the window has a device of its own, and an
// instance of its own: lavapipe (Mesa 22.3) is not safe against two devices of one instance at work in two threads.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/gpu/device.h"
#include "runtime/gpu/instance.h"

namespace regroup::view {

struct GpuOptions {
  std::string which;  // see Instance::choose
  FeatureMask mask;
  bool validation = false;
  bool window = false;  // with what presenting to a window needs
};

// Messages of the validation layers; written by any thread.
class ValidationLog {
 public:
  void add(std::string_view message);
  std::vector<std::string> messages() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
};

class Gpu {
 public:
  // Throws kNoDevice. The window system must be started (start_window_system) before one with `window`.
  explicit Gpu(const GpuOptions& options, ValidationLog& log);

  Device& device() { return *device_; }
  // What the window is drawn with.
  Instance& screen_instance() { return screen_instance_ ? *screen_instance_ : *instance_; }
  Device& screen_device() { return screen_device_ ? *screen_device_ : *device_; }
  // After a lost device: a new one of the same kind. Nothing may use the old one any more. Throws kNoDevice.
  void rebuild_device();

 private:
  void open_device();

  GpuOptions options_;
  double submit_share_ = 1;  // of the planned lengths; smaller after a loss
  std::unique_ptr<Instance> instance_, screen_instance_;
  std::unique_ptr<Device> device_, screen_device_;  // null: the screen has the same
};

}  // namespace regroup::view
