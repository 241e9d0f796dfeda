#include "cli/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <string_view>

#include "runtime/core/xml.h"
#include "runtime/file/atomic_file.h"

namespace regroup::cli {
namespace {

constexpr std::array<std::string_view, 8> kColours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                                      "#000000", "#e69f00", "#56b4e9", "#8c8c00"};
constexpr int kMarkers = 8;
constexpr double kLeft = 78, kTop = 44, kBottom = 58, kLegendWidth = 210, kCharacter = 6.6;
constexpr double kMarkerRadius = 4.5;

std::string number(double value) {
  if (value != 0 && (std::fabs(value) >= 1e6 || std::fabs(value) < 1e-3)) return fmt::format("{:.2g}", value);
  return fmt::format("{:.6g}", value);
}

// One axis: from values to a share of its length.
class Scale {
 public:
  Scale(const PlotAxis& axis, std::vector<double> values) : axis_(axis) {
    std::erase_if(values, [this](double v) { return !shows(v); });
    for (const double tick : axis.ticks) {
      if (shows(tick)) values.push_back(tick);
    }
    if (values.empty()) values = {1, 2};
    low_ = position(*std::min_element(values.begin(), values.end()));
    high_ = position(*std::max_element(values.begin(), values.end()));
    if (axis.scale == AxisScale::kLinear && axis.from_zero) low_ = std::min(low_, 0.0);
    if (high_ - low_ < 1e-12) high_ = low_ + 1;
    const double margin = 0.04 * (high_ - low_);
    if (!(axis.scale == AxisScale::kLinear && axis.from_zero && low_ == 0)) low_ -= margin;
    high_ += margin;
  }
  bool shows(double value) const { return std::isfinite(value) && (axis_.scale == AxisScale::kLinear || value > 0); }
  double share(double value) const { return (position(value) - low_) / (high_ - low_); }

  std::vector<double> ticks() const {
    std::vector<double> found;
    if (!axis_.ticks.empty()) {
      for (const double tick : axis_.ticks) {
        if (shows(tick)) found.push_back(tick);
      }
    } else if (axis_.scale == AxisScale::kLinear) {
      // Steps of 1, 2 or 5 times a power of ten, at most eight of them.
      const double raw = (high_ - low_) / 8, power = std::pow(10.0, std::floor(std::log10(raw)));
      double step = 10 * power;
      for (const double factor : {5.0, 2.0, 1.0}) {
        if (factor * power >= raw) step = factor * power;
      }
      for (double at = std::ceil(low_ / step); at * step <= high_; ++at) found.push_back(at * step);
    } else {
      const double base = axis_.scale == AxisScale::kLog2 ? 2 : 10;
      // Every power, or every n-th so that there are at most ten.
      const double every = std::max(1.0, std::ceil((high_ - low_) / 10));
      for (double at = std::ceil(low_); at <= high_; at += every) found.push_back(std::pow(base, at));
      // Less than two decades need more than their powers of ten.
      if (base == 10 && found.size() < 2) {
        found.clear();
        for (double at = std::floor(low_); at <= high_; ++at) {
          for (const double factor : {1.0, 2.0, 5.0}) {
            const double tick = factor * std::pow(10.0, at);
            if (std::log10(tick) >= low_ && std::log10(tick) <= high_) found.push_back(tick);
          }
        }
      }
    }
    return found;
  }

 private:
  double position(double value) const {
    switch (axis_.scale) {
      case AxisScale::kLog2:
        return std::log2(value);
      case AxisScale::kLog10:
        return std::log10(value);
      case AxisScale::kLinear:
        break;
    }
    return value;
  }

  const PlotAxis& axis_;
  double low_ = 0, high_ = 1;
};

std::string marker(int kind, double x, double y, std::string_view colour) {
  const double r = kMarkerRadius;
  const auto polygon = [&](std::string_view points) {
    return fmt::format("<polygon points=\"{}\" fill=\"{}\"/>\n", points, colour);
  };
  const auto hollow = [&](std::string_view shape) {
    return fmt::format("<{} fill=\"#ffffff\" stroke=\"{}\" stroke-width=\"1.8\"/>\n", shape, colour);
  };
  switch (kind % kMarkers) {
    case 0:
      return fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\" fill=\"{}\"/>\n", x, y, r, colour);
    case 1:
      return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n", x - r + 0.5,
                         y - r + 0.5, 2 * r - 1, 2 * r - 1, colour);
    case 2:
      return polygon(fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}", x, y - r - 1, x + r + 0.5, y + r - 0.5,
                                 x - r - 0.5, y + r - 0.5));
    case 3:
      return polygon(fmt::format("{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}", x, y - r - 1, x + r + 1, y,
                                 x, y + r + 1, x - r - 1, y));
    case 4:
      return fmt::format(
          "<path d=\"M{0:.1f} {1:.1f}L{2:.1f} {3:.1f}M{0:.1f} {3:.1f}L{2:.1f} {1:.1f}\" stroke=\"{4}\" "
          "stroke-width=\"2\"/>\n",
          x - r, y - r, x + r, y + r, colour);
    case 5:
      return hollow(fmt::format("circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"", x, y, r - 0.5));
    case 6:
      return hollow(fmt::format("rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\"", x - r + 0.5, y - r + 0.5,
                                2 * r - 1, 2 * r - 1));
    default:
      return hollow(fmt::format("polygon points=\"{:.1f},{:.1f} {:.1f},{:.1f} {:.1f},{:.1f}\"", x, y + r + 1, x + r,
                                y - r + 0.5, x - r, y - r + 0.5));
  }
}

std::string text(double x, double y, std::string_view anchor, std::string_view content, std::string_view more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                     xml_text(content));
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
  const double width = plot.width, height = plot.height;
  const double right = width - kLegendWidth, bottom = height - kBottom;
  const Scale x_scale(plot.x, values_of(plot, false)), y_scale(plot.y, values_of(plot, true));
  const auto x_at = [&](double value) { return kLeft + x_scale.share(value) * (right - kLeft); };
  const auto y_at = [&](double value) { return bottom - y_scale.share(value) * (bottom - kTop); };
  const std::vector<std::string> caption = wrapped(plot.caption, static_cast<std::size_t>((width - 32) / kCharacter));
  const double total = height + 16.0 * static_cast<double>(caption.size()) + (caption.empty() ? 0 : 10);

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" role=\"img\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<title>{2}</title>\n<desc>{3}</desc>\n"
      "<rect width=\"{0}\" height=\"{1}\" fill=\"#ffffff\"/>\n",
      width, total, xml_text(plot.title), xml_text(plot.caption));
  out += text(kLeft, 24, "start", plot.title, " font-size=\"15\" font-weight=\"bold\"");

  for (const double tick : x_scale.ticks()) {
    const double x = x_at(tick);
    out += fmt::format("<path d=\"M{0:.1f} {1:.1f}V{2:.1f}\" stroke=\"#e0e0e0\"/>\n", x, kTop, bottom);
    out += text(x, bottom + 18, "middle", number(tick));
  }
  for (const double tick : y_scale.ticks()) {
    const double y = y_at(tick);
    out += fmt::format("<path d=\"M{0:.1f} {1:.1f}H{2:.1f}\" stroke=\"#e0e0e0\"/>\n", kLeft, y, right);
    out += text(kLeft - 8, y + 4, "end", number(tick));
  }
  out += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" stroke=\"#404040\"/>\n", kLeft,
                     kTop, right - kLeft, bottom - kTop);
  out += text((kLeft + right) / 2, bottom + 42, "middle", plot.x.label);
  out += text(0, 0, "middle", plot.y.label,
              fmt::format(" transform=\"translate(20 {:.1f}) rotate(-90)\"", (kTop + bottom) / 2));

  double legend = kTop + 10;
  for (std::size_t i = 0; i < plot.series.size(); ++i) {
    const PlotSeries& series = plot.series[i];
    const std::string_view colour = kColours[i % kColours.size()];
    const std::string_view dashes = series.dashed ? " stroke-dasharray=\"6 4\"" : "";
    std::string path, marks;
    for (const PlotPoint& point : series.points) {
      if (!x_scale.shows(point.x) || !y_scale.shows(point.y)) continue;
      const double x = x_at(point.x), y = y_at(point.y);
      path += fmt::format("{}{:.1f} {:.1f}", path.empty() ? 'M' : 'L', x, y);
      if (point.error > 0) {
        const double low = y_scale.shows(point.y - point.error) ? y_at(point.y - point.error) : bottom;
        marks += fmt::format(
            "<path d=\"M{0:.1f} {1:.1f}V{2:.1f}M{3:.1f} {1:.1f}H{4:.1f}M{3:.1f} {2:.1f}H{4:.1f}\" stroke=\"{5}\"/>\n",
            x, y_at(point.y + point.error), low, x - 3, x + 3, colour);
      }
      marks += marker(static_cast<int>(i), x, y, colour);
      if (!point.label.empty()) marks += text(x + 8, y - 6, "start", point.label);
    }
    if (series.line && !path.empty()) {
      out += fmt::format("<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.8\"{}/>\n", path, colour, dashes);
    }
    out += marks;
    if (series.line) {
      out += fmt::format("<path d=\"M{:.1f} {:.1f}h24\" stroke=\"{}\" stroke-width=\"1.8\"{}/>\n", right + 12, legend,
                         colour, dashes);
    }
    out += marker(static_cast<int>(i), right + 24, legend, colour);
    for (const std::string& line : wrapped(series.name, static_cast<std::size_t>((kLegendWidth - 50) / kCharacter))) {
      out += text(right + 44, legend + 4, "start", line);
      legend += 16;
    }
    legend += 4;
  }

  for (std::size_t i = 0; i < caption.size(); ++i) {
    out += text(16, height + 12 + 16.0 * static_cast<double>(i), "start", caption[i], " fill=\"#404040\"");
  }
  return out + "</svg>\n";
}

void write_svg(const std::filesystem::path& path, const Plot& plot) {
  const std::string document = svg_plot(plot);
  AtomicFile file(path, Overwrite::kYes);
  file.write(std::as_bytes(std::span(document)));
  file.close();
  file.commit();
}

}  // namespace regroup::cli
