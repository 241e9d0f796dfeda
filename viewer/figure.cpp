#include "viewer/figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "plot/axis.h"
#include "plot/svg_canvas.h"

namespace regroup::view {

using plot::Axis;
using plot::AxisScale;
using plot::Point;
using plot::round_ticks;

namespace {

// The plotting area inside the axes, with title above and labels around.
struct Frame {
  Rect inner;
  Axis x, y;
};

Rect inner_area(const Canvas& canvas, const Figure& figure, Rect area, float label_width) {
  const float line = canvas.line_height();
  return {{area.min.x + label_width + line * 0.6f, area.min.y + line * 1.5f},
          {area.max.x - line * 0.6f, area.max.y - line * (figure.x_label.empty() ? 1.6f : 2.8f)}};
}

void draw_labels(Canvas& canvas, const Theme& theme, const Figure& figure, Rect area, Rect inner) {
  const float line = canvas.line_height();
  canvas.text({area.min.x + line * 0.2f, area.min.y}, figure.y_label, theme.dim);
  if (!figure.x_label.empty()) {
    canvas.text({(inner.min.x + inner.max.x) / 2, area.max.y - line * 1.25f}, figure.x_label, theme.dim,
                Align::kCentre);
  }
}

ImU32 colour_of(const Theme& theme, const Series& series) {
  if (series.dashed) return theme.bad;
  return series.ghost ? with_alpha(theme.colour(series.colour), 0.38f) : theme.colour(series.colour);
}

// Names of series to the right of the y label, as many as fit.
void draw_legend(Canvas& canvas, const Theme& theme, const Figure& figure, const std::vector<Series>& series,
                 Rect area) {
  if (series.size() < 2) return;
  const float line = canvas.line_height();
  float x = area.max.x - line * 0.4f;
  const float least = area.min.x + canvas.text_width(figure.y_label) + line;
  for (auto it = series.rbegin(); it != series.rend(); ++it) {
    const float width = canvas.text_width(it->name) + line * 1.3f;
    if (x - width < least) break;
    x -= width;
    const Point at(x + line * 0.4f, area.min.y + line * 0.55f);
    const ImU32 colour = colour_of(theme, *it);
    const std::array<Point, 2> sample = {Point(at.x - line * 0.45f, at.y), Point(at.x + line * 0.45f, at.y)};
    if (it->dashed)
      canvas.dashed_polyline(sample, colour, 2);
    else if (it->connected)
      canvas.polyline(sample, colour, 2);
    if (it->marker != Marker::kNone) canvas.marker(at, it->marker, line * 0.26f, colour);
    canvas.text({x + line * 1.0f, area.min.y}, it->name, theme.text);
    x -= line * 0.5f;
  }
}

std::string tick_text(double value, bool bytes) {
  if (!bytes) return short_number(value);
  const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
  return value == 0 ? "0" : fmt::format("{:.4g} {}", value, units[unit]);
}

void draw_y_axis(Canvas& canvas, const Theme& theme, const Frame& frame, const std::vector<double>& ticks, bool bytes) {
  const float line = canvas.line_height();
  for (const double tick : ticks) {
    const float y = frame.y.pixel(tick);
    canvas.line({frame.inner.min.x, y}, {frame.inner.max.x, y}, theme.grid);
    canvas.text({frame.inner.min.x - line * 0.35f, y - line * 0.5f}, tick_text(tick, bytes), theme.dim, Align::kRight);
  }
}

float widest(const Canvas& canvas, const std::vector<double>& ticks, bool bytes) {
  float width = 0;
  for (const double tick : ticks) width = std::max(width, canvas.text_width(tick_text(tick, bytes)));
  return width;
}

// One point per pixel column and extreme, so that a hundred thousand points cost no more than a few hundred.
std::vector<Point> thinned(const Series& series, const Frame& frame) {
  std::vector<Point> points;
  const std::size_t count = std::min(series.x.size(), series.y.size());
  const auto columns = static_cast<std::size_t>(std::max(1.0f, frame.inner.width()));
  if (count <= 2 * columns) {
    for (std::size_t i = 0; i < count; ++i) points.push_back({frame.x.pixel(series.x[i]), frame.y.pixel(series.y[i])});
    return points;
  }
  for (std::size_t c = 0; c < columns; ++c) {
    const std::size_t begin = c * count / columns, end = (c + 1) * count / columns;
    const auto [low, high] = std::minmax_element(series.y.begin() + static_cast<std::ptrdiff_t>(begin),
                                                 series.y.begin() + static_cast<std::ptrdiff_t>(end));
    for (const auto it : low < high ? std::array{low, high} : std::array{high, low}) {
      points.push_back({frame.x.pixel(series.x[static_cast<std::size_t>(it - series.y.begin())]), frame.y.pixel(*it)});
    }
  }
  return points;
}

// As high as nearly all values are, with room for half as much again.
double usual_height(const LinePlot& plot) {
  std::vector<double> values;
  for (const Series& series : plot.series) values.insert(values.end(), series.y.begin(), series.y.end());
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * 0.96);
  std::nth_element(values.begin(), at, values.end());
  return *at > 0 ? 1.5 * *at : INFINITY;
}

std::string nearest_point(const LinePlot& plot, const Figure& figure, const Frame& frame, Point mouse, Canvas& canvas,
                          const Theme& theme) {
  const Series* best_series = nullptr;
  std::size_t best = 0;
  float closest = canvas.line_height() * 2;
  for (const Series& series : plot.series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      const float dx = std::abs(frame.x.pixel(series.x[i]) - mouse.x);
      if (dx >= closest) continue;
      const float distance = std::hypot(dx, 0.25f * (frame.y.pixel(series.y[i]) - mouse.y));
      if (distance < closest) closest = distance, best_series = &series, best = i;
    }
  }
  if (best_series == nullptr) return {};
  canvas.marker({frame.x.pixel(best_series->x[best]), frame.y.pixel(best_series->y[best])}, Marker::kCircle,
                canvas.line_height() * 0.3f, theme.text);
  std::string text =
      fmt::format("{}\n{}: {}\n{}: {}", best_series->name, figure.x_label, short_number(best_series->x[best]),
                  figure.y_label, short_number(best_series->y[best]));
  if (best < best_series->error.size()) text += fmt::format(" \u00b1 {}", short_number(best_series->error[best]));
  return text;
}

std::string draw(Canvas& canvas, const Theme& theme, const Figure& figure, const LinePlot& plot, Rect area,
                 Point mouse) {
  const float line = canvas.line_height();
  double x_low = INFINITY, x_high = -INFINITY, y_low = plot.zero_based ? 0 : INFINITY, y_high = -INFINITY;
  for (const Series& series : plot.series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      const double error = i < series.error.size() ? series.error[i] : 0;
      x_low = std::min(x_low, series.x[i]), x_high = std::max(x_high, series.x[i]);
      y_low = std::min(y_low, series.y[i] - error), y_high = std::max(y_high, series.y[i] + error);
    }
  }
  if (!(x_high >= x_low)) x_low = 0, x_high = 1, y_low = 0, y_high = 1;
  if (x_high == x_low) x_high = x_low + 1, x_low -= plot.log_x ? 0 : 1;
  if (plot.zero_based) y_low = std::max(0.0, y_low);
  if (plot.clip_spikes) y_high = std::min(y_high, usual_height(plot));
  if (!(y_high > y_low)) y_high = y_low + 1;
  y_high += (y_high - y_low) * 0.08;
  if (!plot.log_x && plot.x_ticks.size() > 1) {
    const double margin = (x_high - x_low) * 0.06;
    x_low -= margin, x_high += margin;
  } else if (plot.log_x) {
    x_low /= 1.25, x_high *= 1.25;
  }
  const auto y_ticks = round_ticks(y_low, y_high, std::max(2, static_cast<int>(area.height() / line / 3)));
  Frame frame{.inner = inner_area(canvas, figure, area, widest(canvas, y_ticks, false))};
  frame.x = {x_low, x_high, frame.inner.min.x, frame.inner.max.x, plot.log_x ? AxisScale::kLog2 : AxisScale::kLinear};
  frame.y = {y_low, y_high, frame.inner.max.y, frame.inner.min.y};
  draw_labels(canvas, theme, figure, area, frame.inner);
  draw_y_axis(canvas, theme, frame, y_ticks, false);
  const auto x_ticks = plot.x_ticks.empty()
                           ? round_ticks(x_low, x_high, std::max(2, static_cast<int>(frame.inner.width() / line / 5)))
                           : plot.x_ticks;
  for (const double tick : x_ticks) {
    if (tick != std::floor(tick) && plot.x_ticks.empty()) continue;  // tokens are whole
    canvas.text({frame.x.pixel(tick), frame.inner.max.y + line * 0.25f}, short_number(tick), theme.dim, Align::kCentre);
  }
  canvas.line({frame.inner.min.x, frame.inner.max.y}, frame.inner.max, theme.ghost);
  struct Label {
    Point at;
    float width;
    std::string_view text;
  };
  std::vector<Label> labels;  // over the lines, so that they can be read
  float label_end = -INFINITY;
  for (const auto& mark : plot.marks) {
    const float x = frame.x.pixel(mark.x);
    canvas.dashed({x, frame.inner.min.y}, {x, frame.inner.max.y}, theme.ghost);
    if (x < label_end) continue;  // labels never overlap
    const float width = canvas.text_width(mark.label);
    const bool left = x + width + line * 0.5f > frame.inner.max.x;
    labels.push_back({{left ? x - line * 0.2f - width : x + line * 0.25f, frame.inner.min.y}, width, mark.label});
    label_end = x + width + line * 0.6f;
  }
  for (const Series& series : plot.series) {
    const ImU32 colour = colour_of(theme, series);
    auto points = thinned(series, frame);
    for (Point& point : points) {  // what is cut off stands at the edge, with an arrow
      if (point.y >= frame.inner.min.y) continue;
      point.y = frame.inner.min.y;
      if (!series.ghost) canvas.marker({point.x, point.y + line * 0.3f}, Marker::kTriangle, line * 0.26f, colour);
    }
    const float width = std::max(1.5f, line * 0.11f);
    if (points.size() > 1 && series.dashed)
      canvas.dashed_polyline(points, colour, width);
    else if (series.connected && points.size() > 1)
      canvas.polyline(points, colour, width);
    for (std::size_t i = 0; i < series.error.size() && i < series.x.size(); ++i) {
      const float x = frame.x.pixel(series.x[i]);
      const float top = std::max(frame.inner.min.y, frame.y.pixel(series.y[i] + series.error[i]));
      const float bottom = frame.y.pixel(std::max(y_low, series.y[i] - series.error[i]));
      canvas.line({x, top}, {x, bottom}, colour, 1.5f);
      canvas.line({x - line * 0.25f, top}, {x + line * 0.25f, top}, colour, 1.5f);
      canvas.line({x - line * 0.25f, bottom}, {x + line * 0.25f, bottom}, colour, 1.5f);
    }
    const bool few = static_cast<float>(points.size()) * line * 0.8f < frame.inner.width();
    if (series.marker != Marker::kNone && (few || !series.connected)) {
      for (const Point point : points) canvas.marker(point, series.marker, line * 0.24f, colour);
    } else if (series.connected && points.size() == 1) {
      canvas.marker(points[0], Marker::kCircle, line * 0.24f, colour);
    }
  }
  for (const Label& label : labels) {
    canvas.fill({label.at, {label.at.x + label.width, label.at.y + line * 1.1f}}, with_alpha(theme.panel, 0.75f));
    canvas.text(label.at, label.text, theme.text);
  }
  draw_legend(canvas, theme, figure, plot.series, area);
  return frame.inner.contains(mouse) ? nearest_point(plot, figure, frame, mouse, canvas, theme) : std::string();
}

std::string draw(Canvas& canvas, const Theme& theme, const Figure& figure, const BarPlot& plot, Rect area,
                 Point mouse) {
  const float line = canvas.line_height();
  double high = 0;
  for (const Bar& bar : plot.bars) {
    double total = 0;
    for (const Bar::Part& part : bar.parts) total += part.size;
    high = std::max({high, total, bar.ghost});
  }
  if (high <= 0) high = 1;
  const auto ticks = round_ticks(0, high, std::max(2, static_cast<int>(area.height() / line / 4)), plot.bytes);
  Frame frame{.inner = inner_area(canvas, figure, area, widest(canvas, ticks, plot.bytes))};
  frame.y = {0, high * 1.04, frame.inner.max.y, frame.inner.min.y};
  draw_labels(canvas, theme, figure, area, frame.inner);
  draw_y_axis(canvas, theme, frame, ticks, plot.bytes);
  std::string hovered;
  const float slot = frame.inner.width() / static_cast<float>(std::max<std::size_t>(plot.bars.size(), 1));
  const float gap = slot > line ? slot * 0.16f : slot * 0.08f;
  float label_end = -INFINITY;
  for (std::size_t b = 0; b < plot.bars.size(); ++b) {
    const Bar& bar = plot.bars[b];
    const float left = frame.inner.min.x + slot * static_cast<float>(b) + gap;
    const float right = left + slot - 2 * gap;
    if (bar.ghost > 0) {
      const Rect ghost{{left, frame.y.pixel(bar.ghost)}, {right, frame.inner.max.y}};
      canvas.fill(ghost, with_alpha(theme.ghost, 0.12f));
      canvas.outline(ghost, with_alpha(theme.ghost, 0.8f));
    }
    double at = 0;
    for (std::size_t p = 0; p < bar.parts.size(); ++p) {
      const Bar::Part& part = bar.parts[p];
      const float bottom = frame.y.pixel(at), top = frame.y.pixel(at + part.size);
      const float seam = bottom - top > 4 ? 1.0f : 0.0f;
      const ImU32 colour = theme.colour(part.colour);
      const Rect whole{{left, top + seam}, {right, bottom}};
      canvas.fill(whole, with_alpha(colour, 0.30f));
      // A group fills from the left as positions are used: heights stay to scale.
      canvas.fill(
          {{left, top + seam}, {left + (right - left) * static_cast<float>(std::clamp(part.filled, 0.0, 1.0)), bottom}},
          colour);
      if (whole.contains(mouse)) {
        const auto bytes = static_cast<std::uint64_t>(part.size);
        hovered = fmt::format("{} {}, {} {}\nallocated {}{}\nused {:.1f} %", figure.x_label, bar.label, plot.part_name,
                              p, plot.bytes ? grouped_digits(bytes) : short_number(part.size),
                              plot.bytes ? " bytes" : "", 100 * part.filled);
      }
      at += part.size;
    }
    if (hovered.empty() && bar.ghost > 0 &&
        Rect{{left, frame.y.pixel(bar.ghost)}, {right, frame.inner.max.y}}.contains(mouse)) {
      hovered =
          fmt::format("{} {}\n{}: {}{}", figure.x_label, bar.label, plot.ghost_name,
                      plot.bytes ? grouped_digits(static_cast<std::uint64_t>(bar.ghost)) : short_number(bar.ghost),
                      plot.bytes ? " bytes" : "");
    }
    const float width = canvas.text_width(bar.label);
    const float centre = (left + right) / 2;
    if (centre - width / 2 > label_end) {
      canvas.text({centre, frame.inner.max.y + line * 0.25f}, bar.label, theme.dim, Align::kCentre);
      label_end = centre + width / 2 + line * 0.3f;
    }
  }
  canvas.line({frame.inner.min.x, frame.inner.max.y}, frame.inner.max, theme.ghost);
  return hovered;
}

std::string draw(Canvas& canvas, const Theme& theme, const Figure& figure, const HeatMap& map, Rect area, Point mouse) {
  const float line = canvas.line_height();
  const float label = figure.x_label.empty() ? 0.0f : line * 1.3f;
  const Rect inner{{area.min.x, area.min.y + (figure.title.empty() ? 0 : line * 1.3f)},
                   {area.max.x, area.max.y - label}};
  if (!figure.title.empty()) canvas.text(area.min, figure.title, theme.dim);
  if (!figure.x_label.empty()) canvas.text({inner.min.x, inner.max.y + line * 0.15f}, figure.x_label, theme.dim);
  canvas.fill(inner, theme.field);
  if (map.rows == 0 || map.columns == 0) return {};
  // Cells of at least four pixels, which is what CPU drivers compute at once: blocks of values show their largest, so
  // that nothing bright is lost.
  constexpr float kLeastCell = 4;
  const auto most_rows = static_cast<std::uint32_t>(std::max(1.0f, inner.height() / kLeastCell));
  const auto most_columns = static_cast<std::uint32_t>(std::max(1.0f, inner.width() / kLeastCell));
  const std::uint32_t rows = std::min(map.rows, most_rows), columns = std::min(map.columns, most_columns);
  const float width = inner.width() / static_cast<float>(columns), height = inner.height() / static_cast<float>(rows);
  const float span = map.high > map.low ? map.high - map.low : 1.0f;
  for (std::uint32_t r = 0; r < rows; ++r) {
    const std::uint32_t r0 = r * map.rows / rows, r1 = std::max(r0 + 1, (r + 1) * map.rows / rows);
    const float top = std::round(inner.min.y + height * static_cast<float>(r));
    const float bottom = std::round(inner.min.y + height * static_cast<float>(r + 1));
    // Neighbours of one colour are one rectangle.
    constexpr int kNothing = -1, kLevels = 96;
    int level = kNothing;
    float begin = 0;
    const auto finish = [&](float end) {
      if (level != kNothing)
        canvas.fill({{begin, top}, {end, bottom}}, viridis(static_cast<float>(level) / (kLevels - 1)));
    };
    for (std::uint32_t c = 0; c < columns; ++c) {
      const std::uint32_t c0 = c * map.columns / columns, c1 = std::max(c0 + 1, (c + 1) * map.columns / columns);
      float value = NAN;
      for (std::uint32_t i = r0; i < r1; ++i) {
        for (std::uint32_t j = c0; j < c1; ++j) value = std::fmax(value, map.values[std::size_t{i} * map.columns + j]);
      }
      const float share = std::clamp((value - map.low) / span, 0.0f, 1.0f);
      const int next = std::isnan(value) ? kNothing : static_cast<int>(std::lround(share * (kLevels - 1)));
      if (next == level) continue;
      const float edge = std::round(inner.min.x + width * static_cast<float>(c));
      finish(edge);
      level = next, begin = edge;
    }
    finish(std::round(inner.max.x));
  }
  if (!inner.contains(mouse)) return {};
  const auto r = std::min(map.rows - 1, static_cast<std::uint32_t>((mouse.y - inner.min.y) / inner.height() *
                                                                   static_cast<float>(map.rows)));
  const auto c = std::min(map.columns - 1, static_cast<std::uint32_t>((mouse.x - inner.min.x) / inner.width() *
                                                                      static_cast<float>(map.columns)));
  const float value = map.values[std::size_t{r} * map.columns + c];
  if (std::isnan(value)) return {};
  return fmt::format("{} {}, {} {}: {:.3f}", map.row_name, r, map.column_name, c, value);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) {
    out += c;
    if (c == '"') out += '"';
  }
  return out + "\"";
}

std::string csv(const Figure& figure, const LinePlot& plot) {
  std::string text = fmt::format("series,{},{},error\n", csv_field(figure.x_label), csv_field(figure.y_label));
  for (const Series& series : plot.series) {
    for (std::size_t i = 0; i < std::min(series.x.size(), series.y.size()); ++i) {
      text += fmt::format("{},{},{},{}\n", csv_field(series.name), series.x[i], series.y[i],
                          i < series.error.size() ? fmt::format("{}", series.error[i]) : "");
    }
  }
  return text;
}

std::string csv(const Figure& figure, const BarPlot& plot) {
  std::string text = fmt::format("{},{},{},used_share,{}\n", csv_field(figure.x_label), csv_field(plot.part_name),
                                 csv_field(figure.y_label), csv_field(plot.ghost_name));
  for (const Bar& bar : plot.bars) {
    for (std::size_t p = 0; p < bar.parts.size(); ++p) {
      text +=
          fmt::format("{},{},{},{},{}\n", csv_field(bar.label), p, bar.parts[p].size, bar.parts[p].filled, bar.ghost);
    }
  }
  return text;
}

std::string csv(const Figure&, const HeatMap& map) {
  std::string text = fmt::format("{},{},value\n", csv_field(map.row_name), csv_field(map.column_name));
  for (std::uint32_t r = 0; r < map.rows; ++r) {
    for (std::uint32_t c = 0; c < map.columns; ++c) {
      const float value = map.values[std::size_t{r} * map.columns + c];
      if (!std::isnan(value)) text += fmt::format("{},{},{}\n", r, c, value);
    }
  }
  return text;
}

}  // namespace

std::string draw_figure(Canvas& canvas, const Theme& theme, const Figure& figure, Rect area, Point mouse) {
  return std::visit([&](const auto& content) { return draw(canvas, theme, figure, content, area, mouse); },
                    figure.content);
}

std::string figure_to_svg(const Figure& figure, const Theme& theme, float width, float height) {
  plot::SvgCanvas canvas({.width = width, .height = height, .background = theme.panel, .title = figure.title});
  canvas.text({width / 2, 8}, figure.title, theme.text, Align::kCentre);
  draw_figure(canvas, theme, figure, {{12, 30}, {width - 12, height - 8}}, {-1, -1});
  return canvas.finish();
}

std::string figure_to_csv(const Figure& figure) {
  return std::visit([&](const auto& content) { return csv(figure, content); }, figure.content);
}

std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 100 || value == std::floor(value)) return fmt::format("{:.0f}", value);
  if (size >= 10) return fmt::format("{:.1f}", value);
  if (size >= 0.001) return fmt::format("{:.3g}", value);
  return fmt::format("{:.1e}", value);
}

std::string grouped_digits(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

}  // namespace regroup::view
