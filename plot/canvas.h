// What plots are drawn with: the same calls go into an SVG file (svg_canvas.h) and onto a window.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace regroup::plot {

// A library's own pair of floats named x and y.
template <typename Pair>
concept FloatPair = requires(Pair pair) {
  { pair.x } -> std::same_as<float&>;
  { pair.y } -> std::same_as<float&>;
};

// In pixels, y downwards.
struct Point {
  float x = 0, y = 0;

  Point() = default;
  Point(float across, float down) : x(across), y(down) {}
  Point(const FloatPair auto& pair) : x(pair.x), y(pair.y) {}  // NOLINT: the same thing under another name
  template <FloatPair Pair>
  operator Pair() const {  // NOLINT: likewise
    return Pair(x, y);
  }
};

struct Rect {
  Point min, max;
  float width() const { return max.x - min.x; }
  float height() const { return max.y - min.y; }
  bool contains(Point p) const { return p.x >= min.x && p.x < max.x && p.y >= min.y && p.y < max.y; }
};

// Red in the lowest byte, then green, blue and opacity: as Dear ImGui keeps colours.
using Colour = std::uint32_t;

constexpr Colour rgb(std::uint32_t hex) {
  return 0xff000000u | (hex & 0xffu) << 16 | (hex & 0xff00u) | (hex >> 16 & 0xffu);
}

// Okabe and Ito 2008: colours that colour-blind people tell apart.
inline constexpr Colour kOrange = rgb(0xe69f00), kSky = rgb(0x56b4e9), kGreen = rgb(0x009e73), kYellow = rgb(0xf0e442),
                        kBlue = rgb(0x0072b2), kVermillion = rgb(0xd55e00), kPurple = rgb(0xcc79a7),
                        kBlack = rgb(0x000000);

enum class Align { kLeft, kCentre, kRight };
// So that series differ without colour too.
enum class Marker {
  kNone,
  kCircle,
  kSquare,
  kTriangle,
  kDiamond,
  kCross,
  kHollowCircle,
  kHollowSquare,
  kHollowTriangle  // on its point
};

// Corners of a marker; round ones and the cross have none.
std::vector<Point> marker_corners(Point centre, Marker marker, float radius);

class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual void line(Point a, Point b, Colour colour, float width = 1) = 0;
  virtual void dashed(Point a, Point b, Colour colour) = 0;
  virtual void polyline(std::span<const Point> points, Colour colour, float width) = 0;
  virtual void dashed_polyline(std::span<const Point> points, Colour colour, float width) = 0;
  virtual void fill(Rect rect, Colour colour) = 0;
  virtual void outline(Rect rect, Colour colour) = 0;
  virtual void marker(Point centre, Marker marker, float radius, Colour colour) = 0;
  // `at`: top left, top centre or top right of the text.
  virtual void text(Point at, std::string_view text, Colour colour, Align align = Align::kLeft) = 0;
  virtual float text_width(std::string_view text) const = 0;
  virtual float line_height() const = 0;
};

}  // namespace regroup::plot
