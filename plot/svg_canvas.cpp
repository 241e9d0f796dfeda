#include "plot/svg_canvas.h"

#include <fmt/format.h>

#include <utility>

#include "runtime/core/xml.h"

namespace regroup::plot {
namespace {

std::string svg_colour(Colour colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", colour & 255u, colour >> 8 & 255u, colour >> 16 & 255u);
}

std::string svg_opacity(const char* what, Colour colour) {
  const unsigned alpha = colour >> 24 & 255u;
  return alpha == 255 ? std::string() : fmt::format(" {}-opacity=\"{:.2f}\"", what, alpha / 255.0);
}

std::string svg_points(std::span<const Point> points) {
  std::string text;
  for (const Point p : points) text += fmt::format("{}{:.1f},{:.1f}", text.empty() ? "" : " ", p.x, p.y);
  return text;
}

}  // namespace

SvgCanvas::SvgCanvas(const SvgOptions& options) : background_(options.background) {
  body_ = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" "
      "role=\"img\" font-family=\"DejaVu Sans, Arial, sans-serif\" font-size=\"12\">\n",
      options.width, options.height);
  if (!options.title.empty()) body_ += fmt::format("<title>{}</title>\n", xml_text(options.title));
  if (!options.description.empty()) body_ += fmt::format("<desc>{}</desc>\n", xml_text(options.description));
  body_ += fmt::format("<rect width=\"{:.0f}\" height=\"{:.0f}\" fill=\"{}\"/>\n", options.width, options.height,
                       svg_colour(options.background));
}

void SvgCanvas::line(Point a, Point b, Colour colour, float width) {
  body_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{} stroke-width=\"{:.1f}\"/>\n", a.x,
      a.y, b.x, b.y, svg_colour(colour), svg_opacity("stroke", colour), width);
}

void SvgCanvas::dashed(Point a, Point b, Colour colour) {
  body_ += fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{} stroke-dasharray=\"4 4\"/>\n", a.x,
      a.y, b.x, b.y, svg_colour(colour), svg_opacity("stroke", colour));
}

void SvgCanvas::polyline(std::span<const Point> points, Colour colour, float width) {
  body_ += fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{:.1f}\"/>\n",
                       svg_points(points), svg_colour(colour), svg_opacity("stroke", colour), width);
}

void SvgCanvas::dashed_polyline(std::span<const Point> points, Colour colour, float width) {
  body_ += fmt::format(
      "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"{} stroke-width=\"{:.1f}\" stroke-dasharray=\"5 5\"/>\n",
      svg_points(points), svg_colour(colour), svg_opacity("stroke", colour), width);
}

void SvgCanvas::fill(Rect rect, Colour colour) {
  body_ +=
      fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"{}\"{}/>\n", rect.min.x,
                  rect.min.y, rect.width(), rect.height(), svg_colour(colour), svg_opacity("fill", colour));
}

void SvgCanvas::outline(Rect rect, Colour colour) {
  body_ += fmt::format(
      "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"none\" stroke=\"{}\"{}/>\n",
      rect.min.x, rect.min.y, rect.width(), rect.height(), svg_colour(colour), svg_opacity("stroke", colour));
}

void SvgCanvas::marker(Point c, Marker marker, float r, Colour colour) {
  const bool hollow =
      marker == Marker::kHollowCircle || marker == Marker::kHollowSquare || marker == Marker::kHollowTriangle;
  const std::string paint = hollow ? fmt::format("fill=\"{}\" stroke=\"{}\" stroke-width=\"1.8\"",
                                                 svg_colour(background_), svg_colour(colour))
                                   : fmt::format("fill=\"{}\"", svg_colour(colour));
  if (marker == Marker::kCircle || marker == Marker::kHollowCircle) {
    body_ += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" {}/>\n", c.x, c.y, r, paint);
  } else if (marker == Marker::kCross) {
    body_ += fmt::format(
        "<path d=\"M{0:.1f} {1:.1f}L{2:.1f} {3:.1f}M{0:.1f} {3:.1f}L{2:.1f} {1:.1f}\" stroke=\"{4}\" "
        "stroke-width=\"1.5\"/>\n",
        c.x - r, c.y - r, c.x + r, c.y + r, svg_colour(colour));
  } else if (const auto points = marker_corners(c, marker, r); !points.empty()) {
    body_ += fmt::format("<polygon points=\"{}\" {}/>\n", svg_points(points), paint);
  }
}

void SvgCanvas::text(Point at, std::string_view text, Colour colour, Align align) {
  this->text(at, text, colour, TextStyle{.align = align});
}

void SvgCanvas::text(Point at, std::string_view text, Colour colour, const TextStyle& style) {
  constexpr const char* kAnchors[] = {"start", "middle", "end"};
  const float baseline = style.size * 11 / 12;  // below the top of the letters
  std::string more;
  if (style.size != 12) more += fmt::format(" font-size=\"{:.0f}\"", style.size);
  if (style.bold) more += " font-weight=\"bold\"";
  if (style.upwards) more += fmt::format(" transform=\"rotate(-90 {:.1f} {:.1f})\"", at.x, at.y);
  body_ +=
      fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\" text-anchor=\"{}\"{}>{}</text>\n", at.x, at.y + baseline,
                  svg_colour(colour), kAnchors[static_cast<int>(style.align)], more, xml_text(text));
}

float SvgCanvas::text_width(std::string_view text) const {
  return 6.8f * static_cast<float>(text.size());  // an estimate: who shows the file has the font
}

std::string SvgCanvas::finish() {
  return std::move(body_) + "</svg>\n";
}

}  // namespace regroup::plot
