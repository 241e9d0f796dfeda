// A screen without a display: frames are drawn into an image of any size.
#pragma once

#include <memory>

#include "viewer/backend/gpu.h"
#include "viewer/backend/imgui_renderer.h"
#include "viewer/backend/screen.h"

namespace regroup::view {

class Offscreen : public Screen {
 public:
  Offscreen(Gpu& gpu, std::uint32_t width, std::uint32_t height);

  void resize(std::uint32_t width, std::uint32_t height);
  bool begin_frame() override;
  bool show(ImDrawData* data) override;
  void wait_until_drawn() override {}  // show() has waited
  Image capture(ImDrawData* data) override;
  void upload_fonts() override;

 private:
  Gpu& gpu_;
  RenderPassHandle render_pass_;
  ImguiRenderer renderer_;
  FrameCommands commands_;
  std::unique_ptr<FrameTarget> target_;
  std::uint64_t shown_ = 0;  // digest of the last frame; 0: it must be drawn anew
};

}  // namespace regroup::view
