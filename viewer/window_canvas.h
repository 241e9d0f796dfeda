// Plots on a window: into a list of ImGui's, with the font that is current.
#pragma once

#include <imgui.h>

#include "plot/canvas.h"

namespace regroup::view {

class WindowCanvas : public plot::Canvas {
 public:
  explicit WindowCanvas(ImDrawList& list) : list_(list) {}
  void line(plot::Point a, plot::Point b, plot::Colour colour, float width) override;
  void dashed(plot::Point a, plot::Point b, plot::Colour colour) override;
  void polyline(std::span<const plot::Point> points, plot::Colour colour, float width) override;
  void dashed_polyline(std::span<const plot::Point> points, plot::Colour colour, float width) override;
  void fill(plot::Rect rect, plot::Colour colour) override;
  void outline(plot::Rect rect, plot::Colour colour) override;
  void marker(plot::Point centre, plot::Marker marker, float radius, plot::Colour colour) override;
  void text(plot::Point at, std::string_view text, plot::Colour colour, plot::Align align) override;
  float text_width(std::string_view text) const override;
  float line_height() const override;

 private:
  ImDrawList& list_;
};

}  // namespace regroup::view
