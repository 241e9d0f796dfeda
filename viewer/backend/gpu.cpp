#include "viewer/backend/gpu.h"

#include "runtime/decode/locate_model.h"
#include "viewer/backend/window_system.h"
#include "viewer/background.h"

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
  const auto create = [&] {
    return std::make_unique<Instance>(
        InstanceOptions{.validation = options.validation,
                        .on_message = [&log](std::string_view message) { log.add(message); },
                        .extensions = options.window ? window_instance_extensions() : std::vector<const char*>{}});
  };
  instance_ = create();
  if (instance_->choose(options.which).type == DeviceType::kCpu) screen_instance_ = create();
  open_device();
}

void Gpu::rebuild_device() {
  screen_device_.reset();
  device_.reset();
  submit_share_ *= kSubmitShareAfterLoss;
  open_device();
}

void Gpu::open_device() {
  DeviceOptions compute{
      .which = options_.which, .mask = options_.mask, .cache_directory = cache_directory(), .owns_process = true};
  DeviceOptions screen{.which = options_.which};
  DeviceOptions& drawing = screen_instance_ ? screen : compute;
  drawing.graphics = true;
  if (options_.window) drawing.extensions = {VK_KHR_SWAPCHAIN_EXTENSION_NAME};
  if (!screen_instance_) {
    compute.max_submit_ms = kSubmitMs * submit_share_;
    device_ = Device::open(*instance_, compute);
    return;
  }
  compute.max_submit_ms *= submit_share_;
  // The driver's own threads compute: those that it starts here stand behind those that draw.
  run_giving_way([&] { device_ = Device::open(*instance_, compute); });
  screen_device_ = Device::open(*screen_instance_, screen);
}

}  // namespace regroup::view
