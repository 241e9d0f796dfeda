#include "plot/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "plot/svg_canvas.h"

namespace regroup::plot {
namespace {

constexpr std::array kColours = {kBlue, kVermillion, kGreen, kPurple, kBlack, kOrange, kSky, rgb(0x8c8c00)};
constexpr std::array kMarkers = {Marker::kCircle,       Marker::kSquare,        Marker::kTriangle,
                                 Marker::kDiamond,      Marker::kCross,         Marker::kHollowCircle,
                                 Marker::kHollowSquare, Marker::kHollowTriangle};
constexpr Colour kText = kBlack, kDim = rgb(0x404040), kGrid = rgb(0xe0e0e0);
constexpr float kLeft = 78, kTop = 44, kBottom = 58, kLegendWidth = 210;
constexpr float kMarkerRadius = 4.5f, kLineWidth = 1.8f, kLetters = 11;  // from a baseline to the top of the letters

std::string number(double value) {
  if (value != 0 && (std::fabs(value) >= 1e6 || std::fabs(value) < 1e-3)) return fmt::format("{:.2g}", value);
  return fmt::format("{:.6g}", value);
}

// An axis around all values and ticks that it can show, with some room at its ends.
Axis axis_around(const PlotAxis& asked, std::vector<double> values, float from, float to) {
  Axis axis{.from = from, .to = to, .scale = asked.scale};
  values.insert(values.end(), asked.ticks.begin(), asked.ticks.end());
  std::erase_if(values, [&](double v) { return !axis.can_show(v); });
  if (values.empty()) values = {1, 2};
  const bool linear = asked.scale == AxisScale::kLinear;
  double low = *std::min_element(values.begin(), values.end()), high = *std::max_element(values.begin(), values.end());
  if (linear) {
    if (asked.from_zero) low = std::min(low, 0.0);
    if (!(high > low)) high = low + 1;
    const double margin = 0.04 * (high - low);
    axis.low = asked.from_zero && low == 0 ? 0 : low - margin;
    axis.high = high + margin;
  } else {
    if (!(high > low)) high = low * (asked.scale == AxisScale::kLog2 ? 2 : 10);
    const double margin = std::pow(high / low, 0.04);
    axis.low = low / margin;
    axis.high = high * margin;
  }
  return axis;
}

std::vector<double> ticks_of(const PlotAxis& asked, const Axis& axis) {
  if (asked.ticks.empty())
    return asked.scale == AxisScale::kLinear ? round_ticks(axis.low, axis.high, 8) : power_ticks(axis, 10);
  std::vector<double> ticks = asked.ticks;
  std::erase_if(ticks, [&](double tick) { return !axis.can_show(tick); });
  return ticks;
}

// Words in lines of at most `most` characters; a longer word has a line of its own.
std::vector<std::string> wrapped(std::string_view content, std::size_t most) {
  std::vector<std::string> lines;
  while (!content.empty()) {
    const std::size_t end = std::min(content.find(' '), content.size());
    const std::string_view word = content.substr(0, end);
    content.remove_prefix(std::min(end + 1, content.size()));
    if (word.empty()) continue;
    if (lines.empty() || lines.back().size() + 1 + word.size() > most) {
      lines.emplace_back(word);
    } else {
      lines.back() += fmt::format(" {}", word);
    }
  }
  return lines;
}

std::vector<double> values_of(const Plot& plot, bool vertical) {
  std::vector<double> values;
  for (const PlotSeries& series : plot.series) {
    for (const PlotPoint& point : series.points) {
      if (!vertical) {
        values.push_back(point.x);
        continue;
      }
      values.insert(values.end(), {point.y, point.y + point.error, point.y - point.error});
    }
  }
  return values;
}

}  // namespace

std::string svg_plot(const Plot& plot) {
  const auto width = static_cast<float>(plot.width), height = static_cast<float>(plot.height);
  const Rect frame{{kLeft, kTop}, {width - kLegendWidth, height - kBottom}};
  const Axis x = axis_around(plot.x, values_of(plot, false), frame.min.x, frame.max.x);
  const Axis y = axis_around(plot.y, values_of(plot, true), frame.max.y, frame.min.y);
  constexpr float kCharacter = 6.6f;
  const auto fitting = [](float room) { return static_cast<std::size_t>(room / kCharacter); };
  const std::vector<std::string> caption = wrapped(plot.caption, fitting(width - 32));
  SvgCanvas canvas({.width = width,
                    .height = height + 16.0f * static_cast<float>(caption.size()) + (caption.empty() ? 0 : 10),
                    .title = plot.title,
                    .description = plot.caption});
  canvas.text({kLeft, 24 - 1.25f * kLetters}, plot.title, kText, {.size = 15, .bold = true});

  for (const double tick : ticks_of(plot.x, x)) {
    canvas.line({x.pixel(tick), frame.min.y}, {x.pixel(tick), frame.max.y}, kGrid);
    canvas.text({x.pixel(tick), frame.max.y + 18 - kLetters}, number(tick), kText, Align::kCentre);
  }
  for (const double tick : ticks_of(plot.y, y)) {
    canvas.line({frame.min.x, y.pixel(tick)}, {frame.max.x, y.pixel(tick)}, kGrid);
    canvas.text({frame.min.x - 8, y.pixel(tick) + 4 - kLetters}, number(tick), kText, Align::kRight);
  }
  canvas.outline(frame, kDim);
  canvas.text({(frame.min.x + frame.max.x) / 2, frame.max.y + 42 - kLetters}, plot.x.label, kText, Align::kCentre);
  canvas.text({20 - kLetters, (frame.min.y + frame.max.y) / 2}, plot.y.label, kText,
              {.align = Align::kCentre, .upwards = true});

  float legend = frame.min.y + 10;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const PlotSeries& series = plot.series[i];
    const Colour colour = kColours[i % kColours.size()];
    const Marker marker = kMarkers[i % kMarkers.size()];
    const auto join = [&](std::span<const Point> points) {
      if (series.dashed) {
        canvas.dashed_polyline(points, colour, kLineWidth);
      } else {
        canvas.polyline(points, colour, kLineWidth);
      }
    };
    std::vector<const PlotPoint*> shown;
    std::vector<Point> places;
    for (const PlotPoint& point : series.points) {
      if (!x.can_show(point.x) || !y.can_show(point.y)) continue;
      shown.push_back(&point);
      places.push_back({x.pixel(point.x), y.pixel(point.y)});
    }
    if (series.line && !places.empty()) join(places);
    for (std::size_t p = 0; p < places.size(); ++p) {
      const PlotPoint& point = *shown[p];
      const Point at = places[p];
      if (point.error > 0) {
        const float high = y.pixel(point.y + point.error);
        const float low = y.can_show(point.y - point.error) ? y.pixel(point.y - point.error) : frame.max.y;
        canvas.line({at.x, high}, {at.x, low}, colour);
        canvas.line({at.x - 3, high}, {at.x + 3, high}, colour);
        canvas.line({at.x - 3, low}, {at.x + 3, low}, colour);
      }
      canvas.marker(at, marker, kMarkerRadius, colour);
      if (!point.label.empty()) canvas.text({at.x + 8, at.y - 6 - kLetters}, point.label, kText);
    }
    const Point sample[] = {{frame.max.x + 12, legend}, {frame.max.x + 36, legend}};
    if (series.line) join(sample);
    canvas.marker({frame.max.x + 24, legend}, marker, kMarkerRadius, colour);
    for (const std::string& line : wrapped(series.name, fitting(kLegendWidth - 50))) {
      canvas.text({frame.max.x + 44, legend + 4 - kLetters}, line, kText);
      legend += 16;
    }
    legend += 4;
  }

  for (std::size_t i = 0; i < caption.size(); ++i) {
    canvas.text({16, height + 12 + 16.0f * static_cast<float>(i) - kLetters}, caption[i], kDim);
  }
  return canvas.finish();
}

}  // namespace regroup::plot
