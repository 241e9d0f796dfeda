#include "viewer/backend/gpu.h"

#include "runtime/decode/locate_model.h"
#include "viewer/backend/window_system.h"

namespace regroup::view {
namespace {

// A window that shares its device waits for what was submitted before its frame: short pieces keep it smooth.
constexpr double kSubmitMs = 8;
constexpr std::size_t kMostMessages = 200;

}  // namespace

void ValidationLog::add(std::string_view message) {
  const std::lock_guard lock(mutex_);
  if (messages_.size() < kMostMessages) messages_.emplace_back(message);
}

std::vector<std::string> ValidationLog::messages() const {
  const std::lock_guard lock(mutex_);
  return messages_;
}

Gpu::Gpu(const GpuOptions& options, ValidationLog& log) : options_(options) {
  instance_ = std::make_unique<Instance>(
      InstanceOptions{.validation = options.validation,
                      .on_message = [&log](std::string_view message) { log.add(message); },
                      .extensions = options.window ? window_instance_extensions() : std::vector<const char*>{}});
  rebuild_device();
}

void Gpu::rebuild_device() {
  device_.reset();
  DeviceOptions device{.which = options_.which,
                       .mask = options_.mask,
                       .cache_directory = cache_directory(),
                       .max_submit_ms = kSubmitMs,
                       .graphics = true};
  if (options_.window) device.extensions = {VK_KHR_SWAPCHAIN_EXTENSION_NAME};
  device_ = Device::open(*instance_, device);
}

}  // namespace regroup::view
