// Plots: every point and name is in the picture, axes keep order and scale, text is escaped.
#include "plot/svg_plot.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace regroup::test {
namespace {

using plot::AxisScale;
using plot::Plot;
using plot::svg_plot;

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++found;
  return found;
}

// The points of the first series' line.
std::vector<std::pair<double, double>> line_of(const std::string& svg) {
  std::vector<std::pair<double, double>> points;
  const std::size_t end = svg.find("\" fill=\"none\" stroke=\"#0072b2\"");
  const std::size_t begin = svg.rfind("points=\"", end) + 8;
  std::string path = svg.substr(begin, end - begin);
  std::replace_if(
      path.begin(), path.end(), [](char c) { return c == ','; }, ' ');
  const char* at = path.c_str();
  for (char* next = nullptr;; at = next) {
    const double x = std::strtod(at, &next);
    if (next == at) return points;
    at = next;
    points.emplace_back(x, std::strtod(at, &next));
  }
}

Plot doubling() {
  return {.title = "time",
          .caption = "",
          .x = {.label = "G", .scale = AxisScale::kLog2},
          .y = {.label = "ms", .scale = AxisScale::kLog10},
          .series = {{.name = "measured", .points = {{1, 10}, {2, 100}, {4, 1000}}}}};
}

TEST(SvgPlot, LogarithmicAxesMakeEqualFactorsEqualSteps) {
  const auto line = line_of(svg_plot(doubling()));
  ASSERT_EQ(line.size(), 3u);
  EXPECT_NEAR(line[1].first - line[0].first, line[2].first - line[1].first, 0.11);
  EXPECT_NEAR(line[1].second - line[0].second, line[2].second - line[1].second, 0.11);
  EXPECT_GT(line[1].first, line[0].first);
  EXPECT_LT(line[1].second, line[0].second);  // upwards
}

TEST(SvgPlot, LinearAxesKeepProportionsFromZero) {
  Plot plot = doubling();
  plot.x.scale = plot.y.scale = AxisScale::kLinear;
  plot.y.from_zero = true;
  plot.series[0].points = {{0, 10}, {1, 20}, {3, 40}};
  const auto line = line_of(svg_plot(plot));
  ASSERT_EQ(line.size(), 3u);
  EXPECT_NEAR((line[2].first - line[0].first) / (line[1].first - line[0].first), 3.0, 0.02);
  EXPECT_NEAR((line[2].second - line[0].second) / (line[1].second - line[0].second), 3.0, 0.02);
  const double bottom = plot.height - 58.0;  // of the frame
  EXPECT_NEAR((bottom - line[2].second) / (bottom - line[0].second), 4.0, 0.02);
}

TEST(SvgPlot, ShowsEverySeriesPointAndErrorBar) {
  Plot plot = doubling();
  plot.series.push_back({.name = "paper", .points = {{1, 20, 5}, {8, 30, 5, "MHA"}}, .line = false, .dashed = true});
  const std::string svg = svg_plot(plot);
  EXPECT_EQ(count(svg, "<circle"), 3u + 1);   // and one in the legend
  EXPECT_EQ(count(svg, "<polygon"), 2u + 1);  // squares
  EXPECT_EQ(count(svg, ">MHA</text>"), 1u);
  EXPECT_EQ(count(svg, ">measured</text>"), 1u);
  EXPECT_EQ(count(svg, ">paper</text>"), 1u);
  EXPECT_EQ(count(svg, "stroke=\"#d55e00\" stroke-width=\"1.0\"/>"), 2u * 3);  // error bars: a line, two ends
  for (const char* tick : {">1</text>", ">2</text>", ">4</text>", ">8</text>"}) EXPECT_GE(count(svg, tick), 1u) << tick;
}

TEST(SvgPlot, LeavesOutWhatALogarithmicAxisCannotShow) {
  Plot plot = doubling();
  plot.series[0].points.insert(plot.series[0].points.end(), {{8, 0}, {0, 5}, {-1, 5}, {16, NAN}, {16, INFINITY}});
  EXPECT_EQ(line_of(svg_plot(plot)).size(), 3u);
  EXPECT_EQ(svg_plot(plot).find("nan"), std::string::npos);
  EXPECT_EQ(svg_plot(plot).find("inf"), std::string::npos);
  plot.series.clear();
  EXPECT_NE(svg_plot(plot).find("</svg>"), std::string::npos);
}

TEST(SvgPlot, EscapesTextAndWrapsTheCaption) {
  Plot plot = doubling();
  plot.title = "a < b & \"c\"\x01";
  plot.caption = std::string(300, 'x') + " " + std::string(20, 'y') + " last";
  const std::string svg = svg_plot(plot);
  EXPECT_NE(svg.find("a &lt; b &amp; &quot;c&quot;</text>"), std::string::npos);
  EXPECT_NE(svg.find(">" + std::string(20, 'y') + " last</text>"), std::string::npos);
}

}  // namespace
}  // namespace regroup::test
