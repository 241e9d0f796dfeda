// A canvas that becomes an SVG document.
#pragma once

#include <string>

#include "plot/canvas.h"

namespace regroup::plot {

struct SvgOptions {
  float width = 0, height = 0;
  Colour background = rgb(0xffffff);
  // What a screen reader tells; empty: nothing.
  std::string title = {}, description = {};
};

struct TextStyle {
  Align align = Align::kLeft;
  float size = 12;  // pixels
  bool bold = false;
  bool upwards = false;  // turned by 90 degrees to the left, about `at`
};

class SvgCanvas : public Canvas {
 public:
  explicit SvgCanvas(const SvgOptions& options);
  void line(Point a, Point b, Colour colour, float width = 1) override;
  void dashed(Point a, Point b, Colour colour) override;
  void polyline(std::span<const Point> points, Colour colour, float width) override;
  void dashed_polyline(std::span<const Point> points, Colour colour, float width) override;
  void fill(Rect rect, Colour colour) override;
  void outline(Rect rect, Colour colour) override;
  void marker(Point centre, Marker marker, float radius, Colour colour) override;
  void text(Point at, std::string_view text, Colour colour, Align align = Align::kLeft) override;
  void text(Point at, std::string_view text, Colour colour, const TextStyle& style);
  float text_width(std::string_view text) const override;
  float line_height() const override { return 14; }
  // The document, once.
  std::string finish();

 private:
  Colour background_;
  std::string body_;
};

}  // namespace regroup::plot
