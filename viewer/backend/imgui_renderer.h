// ImGui's own Vulkan backend, set up for one device and render pass.
#pragma once

#include "runtime/gpu/instance.h"
#include "viewer/backend/frame_target.h"

struct ImDrawData;

namespace regroup::view {

class ImguiRenderer {
 public:
  // Needs an ImGui context with its fonts. `render_pass` must outlive this.
  ImguiRenderer(Instance& instance, Device& device, VkRenderPass render_pass);
  ~ImguiRenderer();
  ImguiRenderer(const ImguiRenderer&) = delete;
  ImguiRenderer& operator=(const ImguiRenderer&) = delete;

  void begin_frame();
  // Clears the framebuffer and draws, in a render pass of its own.
  void record(VkCommandBuffer commands, VkRenderPass render_pass, VkFramebuffer framebuffer, std::uint32_t width,
              std::uint32_t height, ImDrawData* data);
  // The font atlas was built anew. Nothing may be drawing.
  void upload_fonts();

 private:
  void start();
  void stop();

  Instance& instance_;
  Device& device_;
  VkRenderPass render_pass_;
  DescriptorPoolHandle descriptors_;
};

}  // namespace regroup::view
