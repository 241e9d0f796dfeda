// A picture of measurements as SVG: series of points on linear or logarithmic axes, readable without colour (every
// series has its own marker) and with the colours of Okabe and Ito (2008), which colour-blind people tell apart.
#pragma once

#include <string>
#include <vector>

#include "plot/axis.h"

namespace regroup::plot {

struct PlotAxis {
  std::string label;
  AxisScale scale = AxisScale::kLinear;
  std::vector<double> ticks = {};  // where to label; empty: round numbers, or powers of the base
  bool from_zero = false;          // linear only: the axis begins at 0
};

struct PlotPoint {
  double x = 0, y = 0;
  double error = 0;        // half the length of an error bar, 0: none
  std::string label = {};  // beside the point
};

struct PlotSeries {
  std::string name;  // in the legend
  std::vector<PlotPoint> points;
  bool line = true;     // join the points
  bool dashed = false;  // for what was not measured here
};

struct Plot {
  std::string title;
  std::string caption;  // below the picture, wrapped; say where the numbers come from
  PlotAxis x, y;
  std::vector<PlotSeries> series;
  int width = 760, height = 480;  // of the picture without the caption
};

// The document. Points that are not finite, or not positive on a logarithmic axis, are left out.
std::string svg_plot(const Plot& plot);

}  // namespace regroup::plot
