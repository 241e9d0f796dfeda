// Plots as data: lines, bars to scale and heat maps, drawn the same on a window and into SVG, and written as CSV.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "plot/canvas.h"
#include "viewer/theme.h"

namespace regroup::view {

using plot::Align;
using plot::Canvas;
using plot::Marker;
using plot::Rect;

struct Series {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> error;  // half the length of error bars; empty: none
  std::size_t colour = 0;     // index into Theme::series
  Marker marker = Marker::kNone;
  bool connected = true;
  bool dashed = false;  // a bound, not a measurement
  bool ghost = false;   // stands behind the others, pale: an earlier run
};

struct LinePlot {
  std::vector<Series> series;
  struct Mark {
    double x;
    std::string label;
  };
  std::vector<Mark> marks;      // vertical lines: something changed here
  bool zero_based = true;       // the y axis begins at 0
  bool clip_spikes = false;     // single values far above the rest do not squash it: they stand at the top edge
  std::vector<double> x_ticks;  // where ticks stand; empty: chosen
  bool log_x = false;           // base 2
};

struct Bar {
  std::string label;
  struct Part {
    double size = 0;
    double filled = 0;  // share of it, 0 to 1
    std::size_t colour = 0;
  };
  std::vector<Part> parts;  // from the bottom
  double ghost = 0;         // outline: what it could be instead
};

struct BarPlot {
  std::vector<Bar> bars;
  std::string part_name;   // "group"
  std::string ghost_name;  // "multi-head attention"
  bool bytes = false;      // sizes are bytes
};

struct HeatMap {
  std::uint32_t rows = 0, columns = 0;
  std::vector<float> values;  // [rows][columns]; NaN: nothing there
  float low = 0, high = 1;
  std::string row_name, column_name;  // "query token", "position"
};

struct Figure {
  std::string id;     // part of file names
  std::string title;  // also the heading of files
  std::string x_label, y_label;
  std::variant<LinePlot, BarPlot, HeatMap> content;
};

// Draws into `area` and, where `mouse` is inside, returns what it points at in words.
std::string draw_figure(Canvas& canvas, const Theme& theme, const Figure& figure, Rect area, plot::Point mouse);

std::string figure_to_svg(const Figure& figure, const Theme& theme, float width = 720, float height = 400);
std::string figure_to_csv(const Figure& figure);

// "1.5", "12", "0.031": as many digits as say something.
std::string short_number(double value);
// "12,345,678"
std::string grouped_digits(std::uint64_t value);

}  // namespace regroup::view
