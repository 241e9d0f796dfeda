// An image that frames are drawn into, and its way to the host: the whole of a headless run's screen, and the camera of
// a windowed one.
#pragma once

#include "runtime/gpu/device.h"
#include "runtime/gpu/vulkan.h"
#include "viewer/image.h"

namespace regroup::view {

using ImageHandle = DeviceHandle<VkImage, vkDestroyImage>;
using ImageViewHandle = DeviceHandle<VkImageView, vkDestroyImageView>;
using RenderPassHandle = DeviceHandle<VkRenderPass, vkDestroyRenderPass>;
using FramebufferHandle = DeviceHandle<VkFramebuffer, vkDestroyFramebuffer>;
using SemaphoreHandle = DeviceHandle<VkSemaphore, vkDestroySemaphore>;

// Clears, draws, and leaves the image in `final_layout`.
RenderPassHandle create_render_pass(Device& device, VkFormat format, VkImageLayout final_layout);

// One primary command buffer that is recorded anew for every frame, with the fence of its last submission.
class FrameCommands {
 public:
  explicit FrameCommands(Device& device);
  ~FrameCommands();
  FrameCommands(const FrameCommands&) = delete;
  FrameCommands& operator=(const FrameCommands&) = delete;

  // Waits until the last submission is done, and begins.
  VkCommandBuffer begin();
  void submit(VkSemaphore wait = VK_NULL_HANDLE, VkSemaphore signal = VK_NULL_HANDLE);
  // Throws kDeviceLost.
  void wait();

 private:
  Device& device_;
  CommandPoolHandle pool_;
  VkCommandBuffer commands_ = VK_NULL_HANDLE;
  FenceHandle fence_;
  bool pending_ = false;
};

class FrameTarget {
 public:
  // `render_pass` must end in TRANSFER_SRC_OPTIMAL and have the same format (RGBA or BGRA, 8 bits).
  FrameTarget(Device& device, VkRenderPass render_pass, VkFormat format, std::uint32_t width, std::uint32_t height);

  VkFramebuffer framebuffer() const { return framebuffer_.get(); }
  std::uint32_t width() const { return width_; }
  std::uint32_t height() const { return height_; }
  // After the render pass, in the same command buffer.
  void record_read_back(VkCommandBuffer commands) const;
  // When that has run.
  Image pixels() const;

 private:
  VkFormat format_;
  std::uint32_t width_, height_;
  ImageHandle image_;
  MemoryHandle memory_;
  ImageViewHandle view_;
  FramebufferHandle framebuffer_;
  Arena readback_;
  const Buffer* pixels_;
};

}  // namespace regroup::view
