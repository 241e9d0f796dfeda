// What figures are drawn with: the same calls go to the window and into an SVG file.
#pragma once

#include <imgui.h>

#include <span>
#include <string>
#include <string_view>

namespace regroup::view {

enum class Align { kLeft, kCentre, kRight };
enum class Marker { kNone, kCircle, kSquare, kTriangle, kDiamond, kCross };

struct Rect {
  ImVec2 min, max;
  float width() const { return max.x - min.x; }
  float height() const { return max.y - min.y; }
  bool contains(ImVec2 p) const { return p.x >= min.x && p.x < max.x && p.y >= min.y && p.y < max.y; }
};

class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual void line(ImVec2 a, ImVec2 b, ImU32 colour, float width = 1) = 0;
  virtual void dashed(ImVec2 a, ImVec2 b, ImU32 colour) = 0;
  virtual void polyline(std::span<const ImVec2> points, ImU32 colour, float width) = 0;
  virtual void dashed_polyline(std::span<const ImVec2> points, ImU32 colour, float width) = 0;
  virtual void fill(Rect rect, ImU32 colour) = 0;
  virtual void outline(Rect rect, ImU32 colour) = 0;
  virtual void marker(ImVec2 centre, Marker marker, float radius, ImU32 colour) = 0;
  // `at`: top left, top centre or top right of the text.
  virtual void text(ImVec2 at, std::string_view text, ImU32 colour, Align align = Align::kLeft) = 0;
  virtual float text_width(std::string_view text) const = 0;
  virtual float line_height() const = 0;
};

// Draws into a window's list with the font that is current.
class WindowCanvas : public Canvas {
 public:
  explicit WindowCanvas(ImDrawList& list) : list_(list) {}
  void line(ImVec2 a, ImVec2 b, ImU32 colour, float width) override;
  void dashed(ImVec2 a, ImVec2 b, ImU32 colour) override;
  void polyline(std::span<const ImVec2> points, ImU32 colour, float width) override;
  void dashed_polyline(std::span<const ImVec2> points, ImU32 colour, float width) override;
  void fill(Rect rect, ImU32 colour) override;
  void outline(Rect rect, ImU32 colour) override;
  void marker(ImVec2 centre, Marker marker, float radius, ImU32 colour) override;
  void text(ImVec2 at, std::string_view text, ImU32 colour, Align align) override;
  float text_width(std::string_view text) const override;
  float line_height() const override;

 private:
  ImDrawList& list_;
};

class SvgCanvas : public Canvas {
 public:
  SvgCanvas(float width, float height, ImU32 background);
  void line(ImVec2 a, ImVec2 b, ImU32 colour, float width) override;
  void dashed(ImVec2 a, ImVec2 b, ImU32 colour) override;
  void polyline(std::span<const ImVec2> points, ImU32 colour, float width) override;
  void dashed_polyline(std::span<const ImVec2> points, ImU32 colour, float width) override;
  void fill(Rect rect, ImU32 colour) override;
  void outline(Rect rect, ImU32 colour) override;
  void marker(ImVec2 centre, Marker marker, float radius, ImU32 colour) override;
  void text(ImVec2 at, std::string_view text, ImU32 colour, Align align) override;
  float text_width(std::string_view text) const override;
  float line_height() const override { return 14; }
  std::string finish();

 private:
  std::string body_;
};

}  // namespace regroup::view
