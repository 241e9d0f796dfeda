// Where frames appear: a window, or an image that nobody sees until it is saved.
#pragma once

#include <cstdint>

#include "viewer/image.h"

struct ImDrawData;

namespace regroup::view {

class Screen {
 public:
  virtual ~Screen() = default;
  // What frames appear on is gone, as when the window system took the window's surface away: only another screen helps.
  virtual bool is_lost() const { return false; }
  // Tells ImGui size, time and input of the next frame; false: there is nothing to draw on now (minimised, or lost).
  virtual bool begin_frame() = 0;
  // False: it looks as the last one did, and nothing was drawn.
  virtual bool show(ImDrawData* data) = 0;
  // Returns when the frame that was shown last has been drawn.
  virtual void wait_until_drawn() = 0;
  // The pixels of a frame.
  virtual Image capture(ImDrawData* data) = 0;
  // The font atlas was built anew.
  virtual void upload_fonts() = 0;
};

}  // namespace regroup::view
