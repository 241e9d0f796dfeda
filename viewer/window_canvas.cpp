#include "viewer/window_canvas.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace regroup::view {

using plot::Align;
using plot::Colour;
using plot::Marker;
using plot::Point;
using plot::Rect;

void WindowCanvas::line(Point a, Point b, Colour colour, float width) {
  list_.AddLine(a, b, colour, width);
}

void WindowCanvas::dashed(Point a, Point b, Colour colour) {
  const float length = std::hypot(b.x - a.x, b.y - a.y);
  const float dash = line_height() * 0.3f;
  if (length < 1) return;
  for (float at = 0; at < length; at += 2 * dash) {
    const float end = std::min(at + dash, length);
    list_.AddLine({a.x + (b.x - a.x) * at / length, a.y + (b.y - a.y) * at / length},
                  {a.x + (b.x - a.x) * end / length, a.y + (b.y - a.y) * end / length}, colour);
  }
}

void WindowCanvas::polyline(std::span<const Point> points, Colour colour, float width) {
  // Segment by segment with round joints: ImGui's own mitred lines grow thin, up to gaps, where they turn sharply.
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    list_.AddLine(points[i], points[i + 1], colour, width);
    if (i > 0 && width > 1.5f) list_.AddCircleFilled(points[i], width * 0.5f, colour, 8);
  }
}

void WindowCanvas::dashed_polyline(std::span<const Point> points, Colour colour, float width) {
  const float period = std::max(line_height() * 0.8f, 2.0f);
  float before = 0;  // length of the segments so far: dashes go on around corners
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const Point a = points[i], b = points[i + 1];
    const float length = std::hypot(b.x - a.x, b.y - a.y);
    if (!(length > 0 && length < 1e5f)) continue;
    const auto point = [&](float s) { return ImVec2(a.x + (b.x - a.x) * s / length, a.y + (b.y - a.y) * s / length); };
    const int first = static_cast<int>(before / period), last = static_cast<int>((before + length) / period);
    for (int dash = first; dash <= last; ++dash) {
      const float begin = std::max(0.0f, static_cast<float>(dash) * period - before);
      const float end = std::min(length, (static_cast<float>(dash) + 0.5f) * period - before);
      if (begin < end) list_.AddLine(point(begin), point(end), colour, width);
    }
    before = std::fmod(before + length, period);
  }
}

void WindowCanvas::fill(Rect rect, Colour colour) {
  list_.AddRectFilled(rect.min, rect.max, colour);
}

void WindowCanvas::outline(Rect rect, Colour colour) {
  list_.AddRect(rect.min, rect.max, colour);
}

void WindowCanvas::marker(Point c, Marker marker, float r, Colour colour) {
  switch (marker) {
    case Marker::kNone:
      return;
    case Marker::kCircle:
      return list_.AddCircleFilled(c, r, colour, 12);
    case Marker::kHollowCircle:
      return list_.AddCircle(c, r, colour, 12, 1.5f);
    case Marker::kCross:
      list_.AddLine({c.x - r, c.y - r}, {c.x + r, c.y + r}, colour, 1.5f);
      return list_.AddLine({c.x - r, c.y + r}, {c.x + r, c.y - r}, colour, 1.5f);
    default:
      break;
  }
  const bool hollow = marker == Marker::kHollowSquare || marker == Marker::kHollowTriangle;
  const std::vector<Point> corners = plot::marker_corners(c, marker, r);
  const std::vector<ImVec2> points(corners.begin(), corners.end());
  const int count = static_cast<int>(points.size());
  if (hollow) {
    list_.AddPolyline(points.data(), count, colour, ImDrawFlags_Closed, 1.5f);
  } else {
    list_.AddConvexPolyFilled(points.data(), count, colour);
  }
}

void WindowCanvas::text(Point at, std::string_view text, Colour colour, Align align) {
  if (align != Align::kLeft) at.x -= text_width(text) * (align == Align::kCentre ? 0.5f : 1.0f);
  list_.AddText({std::round(at.x), std::round(at.y)}, colour, text.data(), text.data() + text.size());
}

float WindowCanvas::text_width(std::string_view text) const {
  return ImGui::CalcTextSize(text.data(), text.data() + text.size()).x;
}

float WindowCanvas::line_height() const {
  return ImGui::GetFontSize();
}

}  // namespace regroup::view
