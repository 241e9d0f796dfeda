// Frames into a window: surface and swapchain, made anew when the size changes.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "viewer/backend/gpu.h"
#include "viewer/backend/imgui_renderer.h"
#include "viewer/backend/screen.h"
#include "viewer/backend/window.h"

namespace regroup::view {

class WindowScreen : public Screen {
 public:
  // Throws kNoDevice when the device cannot present to the window.
  WindowScreen(Gpu& gpu, Window& window);
  ~WindowScreen() override;

  bool is_lost() const override { return lost_; }
  bool begin_frame() override;
  bool show(ImDrawData* data) override;
  void wait_until_drawn() override { commands_.wait(); }
  Image capture(ImDrawData* data) override;
  void upload_fonts() override;

 private:
  struct Surface {
    Surface(Gpu& gpu, Window& window);
    ~Surface();
    VkInstance instance;
    VkSurfaceKHR handle = VK_NULL_HANDLE;
  };
  struct Frame {
    ImageViewHandle view;
    FramebufferHandle framebuffer;
    SemaphoreHandle drawn;
  };
  using SwapchainHandle = DeviceHandle<VkSwapchainKHR, vkDestroySwapchainKHR>;

  VkSurfaceFormatKHR choose_format() const;
  bool build_swapchain();
  // Throws what `result` is a failure for, but for a lost surface: that is remembered. True: nothing is lost.
  bool keeps_surface(VkResult result, std::string_view what);
  SemaphoreHandle create_semaphore() const;

  Gpu& gpu_;
  Window& window_;
  Surface surface_;
  VkSurfaceFormatKHR format_;
  RenderPassHandle render_pass_, capture_pass_;
  ImguiRenderer renderer_;
  FrameCommands commands_;
  SemaphoreHandle acquired_;
  SwapchainHandle swapchain_;
  VkExtent2D extent_{};
  std::vector<Frame> frames_;
  bool outdated_ = true, lost_ = false;
  std::uint64_t shown_ = 0;  // digest of the last frame; 0: it must be drawn anew
};

}  // namespace regroup::view
