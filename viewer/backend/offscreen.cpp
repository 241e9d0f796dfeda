#include "viewer/backend/offscreen.h"

#include <imgui.h>

#include <utility>

#include "viewer/backend/drawn_frame.h"

namespace regroup::view {
namespace {

constexpr VkFormat kFormat = VK_FORMAT_R8G8B8A8_UNORM;  // every device can draw into it

}  // namespace

Offscreen::Offscreen(Gpu& gpu, std::uint32_t width, std::uint32_t height)
    : gpu_(gpu),
      render_pass_(create_render_pass(gpu.screen_device(), kFormat, VK_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL)),
      renderer_(gpu.screen_instance(), gpu.screen_device(), render_pass_.get()),
      commands_(gpu.screen_device()),
      target_(std::make_unique<FrameTarget>(gpu.screen_device(), render_pass_.get(), kFormat, width, height)) {}

void Offscreen::resize(std::uint32_t width, std::uint32_t height) {
  commands_.wait();
  shown_ = 0;
  target_ = std::make_unique<FrameTarget>(gpu_.screen_device(), render_pass_.get(), kFormat, width, height);
}

bool Offscreen::begin_frame() {
  ImGuiIO& io = ImGui::GetIO();
  io.DisplaySize = {static_cast<float>(target_->width()), static_cast<float>(target_->height())};
  io.DeltaTime = 1.0f / 30.0f;  // blinking and fading must not depend on how fast the machine is
  renderer_.begin_frame();
  return true;
}

bool Offscreen::show(ImDrawData* data) {
  if (const std::uint64_t now = digest(*data); std::exchange(shown_, now) == now) return false;
  renderer_.record(commands_.begin(), render_pass_.get(), target_->framebuffer(), target_->width(), target_->height(),
                   data);
  commands_.submit();
  commands_.wait();
  return true;
}

Image Offscreen::capture(ImDrawData* data) {
  const VkCommandBuffer commands = commands_.begin();
  renderer_.record(commands, render_pass_.get(), target_->framebuffer(), target_->width(), target_->height(), data);
  target_->record_read_back(commands);
  commands_.submit();
  commands_.wait();
  return target_->pixels();
}

void Offscreen::upload_fonts() {
  shown_ = 0;
  commands_.wait();
  renderer_.upload_fonts();
}

}  // namespace regroup::view
