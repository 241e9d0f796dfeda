#include "viewer/canvas.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "runtime/core/xml.h"

namespace regroup::view {
namespace {

// Corners of a marker; circles and crosses have none.
std::vector<ImVec2> corners(ImVec2 c, Marker marker, float r) {
  switch (marker) {
    case Marker::kSquare:
      return {{c.x - r * 0.85f, c.y - r * 0.85f},
              {c.x + r * 0.85f, c.y - r * 0.85f},
              {c.x + r * 0.85f, c.y + r * 0.85f},
              {c.x - r * 0.85f, c.y + r * 0.85f}};
    case Marker::kTriangle:
      return {{c.x, c.y - r * 1.1f}, {c.x + r, c.y + r * 0.8f}, {c.x - r, c.y + r * 0.8f}};
    case Marker::kDiamond:
      return {{c.x, c.y - r * 1.2f}, {c.x + r, c.y}, {c.x, c.y + r * 1.2f}, {c.x - r, c.y}};
    default:
      return {};
  }
}

std::string svg_colour(ImU32 colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", colour >> IM_COL32_R_SHIFT & 255u, colour >> IM_COL32_G_SHIFT & 255u,
                     colour >> IM_COL32_B_SHIFT & 255u);
}

std::string svg_opacity(const char* what, ImU32 colour) {
  const unsigned alpha = colour >> IM_COL32_A_SHIFT & 255u;
  return alpha == 255 ? std::string() : fmt::format(" {}-opacity=\"{:.2f}\"", what, alpha / 255.0);
}

std::string svg_points(std::span<const ImVec2> points) {
  std::string text;
  for (const ImVec2 p : points) text += fmt::format("{}{:.1f},{:.1f}", text.empty() ? "" : " ", p.x, p.y);
  return text;
}

}  // namespace

void WindowCanvas::line(ImVec2 a, ImVec2 b, ImU32 colour, float width) {
  list_.AddLine(a, b, colour, width);
}

void WindowCanvas::dashed(ImVec2 a, ImVec2 b, ImU32 colour) {
  const float length = std::hypot(b.x - a.x, b.y - a.y);
  const float dash = line_height() * 0.3f;
  if (length < 1) return;
  for (float at = 0; at < length; at += 2 * dash) {
    const float end = std::min(at + dash, length);
    list_.AddLine({a.x + (b.x - a.x) * at / length, a.y + (b.y - a.y) * at / length},
                  {a.x + (b.x - a.x) * end / length, a.y + (b.y - a.y) * end / length}, colour);
  }
}

void WindowCanvas::polyline(std::span<const ImVec2> points, ImU32 colour, float width) {
  // Segment by segment with round joints: ImGui's own mitred lines grow thin, up to gaps, where they turn sharply.
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    list_.AddLine(points[i], points[i + 1], colour, width);
    if (i > 0 && width > 1.5f) list_.AddCircleFilled(points[i], width * 0.5f, colour, 8);
  }
}

void WindowCanvas::dashed_polyline(std::span<const ImVec2> points, ImU32 colour, float width) {
  const float period = std::max(line_height() * 0.8f, 2.0f);
  float before = 0;  // length of the segments so far: dashes go on around corners
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const ImVec2 a = points[i], b = points[i + 1];
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

void WindowCanvas::fill(Rect rect, ImU32 colour) {
  list_.AddRectFilled(rect.min, rect.max, colour);
}

void WindowCanvas::outline(Rect rect, ImU32 colour) {
  list_.AddRect(rect.min, rect.max, colour);
}

void WindowCanvas::marker(ImVec2 c, Marker marker, float r, ImU32 colour) {
  if (marker == Marker::kCircle) {
    list_.AddCircleFilled(c, r, colour, 12);
  } else if (marker == Marker::kCross) {
    list_.AddLine({c.x - r, c.y - r}, {c.x + r, c.y + r}, colour, 1.5f);
    list_.AddLine({c.x - r, c.y + r}, {c.x + r, c.y - r}, colour, 1.5f);
  } else if (const auto points = corners(c, marker, r); !points.empty()) {
    list_.AddConvexPolyFilled(points.data(), static_cast<int>(points.size()), colour);
  }
}

void WindowCanvas::text(ImVec2 at, std::string_view text, ImU32 colour, Align align) {
  if (align != Align::kLeft) at.x -= text_width(text) * (align == Align::kCentre ? 0.5f : 1.0f);
  list_.AddText({std::round(at.x), std::round(at.y)}, colour, text.data(), text.data() + text.size());
}

float WindowCanvas::text_width(std::string_view text) const {
  return ImGui::CalcTextSize(text.data(), text.data() + text.size()).x;
}

float WindowCanvas::line_height() const {
  return ImGui::GetFontSize();
}

SvgCanvas::SvgCanvas(float width, float height, ImU32 background) {
  body_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "font-family=\"DejaVu Sans, Arial, sans-serif\" font-size=\"12\">\n<rect width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "fill=\"{2}\"/>\n",
      width, height, svg_colour(background));
}

void SvgCanvas::line(ImVec2 a, ImVec2 b, ImU32 colour, float width) {
  body_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{} stroke-width=\"{:.1f}\"/>\n", a.x,
      a.y, b.x, b.y, svg_colour(colour), svg_opacity("stroke", colour), width);
}

void SvgCanvas::dashed(ImVec2 a, ImVec2 b, ImU32 colour) {
  body_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{} stroke-dasharray=\"4 4\"/>\n", a.x,
      a.y, b.x, b.y, svg_colour(colour), svg_opacity("stroke", colour));
}

void SvgCanvas::polyline(std::span<const ImVec2> points, ImU32 colour, float width) {
  body_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{:.1f}\"/>\n",
                       svg_points(points), svg_colour(colour), svg_opacity("stroke", colour), width);
}

void SvgCanvas::dashed_polyline(std::span<const ImVec2> points, ImU32 colour, float width) {
  body_ += fmt::format(
      "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{:.1f}\" stroke-dasharray=\"5 5\"/>\n",
      svg_points(points), svg_colour(colour), svg_opacity("stroke", colour), width);
}

void SvgCanvas::fill(Rect rect, ImU32 colour) {
  body_ +=
      fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"{}/>\n", rect.min.x,
                  rect.min.y, rect.width(), rect.height(), svg_colour(colour), svg_opacity("fill", colour));
}

void SvgCanvas::outline(Rect rect, ImU32 colour) {
  body_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"{}\"{}/>\n",
      rect.min.x, rect.min.y, rect.width(), rect.height(), svg_colour(colour), svg_opacity("stroke", colour));
}

void SvgCanvas::marker(ImVec2 c, Marker marker, float r, ImU32 colour) {
  if (marker == Marker::kCircle) {
    body_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"{}\"/>\n", c.x, c.y, r,
                         svg_colour(colour));
  } else if (marker == Marker::kCross) {
    line({c.x - r, c.y - r}, {c.x + r, c.y + r}, colour, 1.5f);
    line({c.x - r, c.y + r}, {c.x + r, c.y - r}, colour, 1.5f);
  } else if (const auto points = corners(c, marker, r); !points.empty()) {
    body_ += fmt::format("<polygon points=\"{}\" fill=\"{}\"/>\n", svg_points(points), svg_colour(colour));
  }
}

void SvgCanvas::text(ImVec2 at, std::string_view text, ImU32 colour, Align align) {
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\" text-anchor=\"{}\">{}</text>\n", at.x, at.y + 11,
                       svg_colour(colour), kAnchors[static_cast<int>(align)], xml_text(text));
}

float SvgCanvas::text_width(std::string_view text) const {
  return 6.8f * static_cast<float>(text.size());  // an estimate: who shows the file has the font
}

std::string SvgCanvas::finish() {
  return std::move(body_) + "</svg>\n";
}

}  // namespace regroup::view
