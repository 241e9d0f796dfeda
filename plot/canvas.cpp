#include "plot/canvas.h"

namespace regroup::plot {

std::vector<Point> marker_corners(Point c, Marker marker, float r) {
  switch (marker) {
    case Marker::kSquare:
    case Marker::kHollowSquare:
      return {{c.x - r * 0.85f, c.y - r * 0.85f},
              {c.x + r * 0.85f, c.y - r * 0.85f},
              {c.x + r * 0.85f, c.y + r * 0.85f},
              {c.x - r * 0.85f, c.y + r * 0.85f}};
    case Marker::kTriangle:
      return {{c.x, c.y - r * 1.1f}, {c.x + r, c.y + r * 0.8f}, {c.x - r, c.y + r * 0.8f}};
    case Marker::kHollowTriangle:
      return {{c.x, c.y + r * 1.1f}, {c.x + r, c.y - r * 0.8f}, {c.x - r, c.y - r * 0.8f}};
    case Marker::kDiamond:
      return {{c.x, c.y - r * 1.2f}, {c.x + r, c.y}, {c.x, c.y + r * 1.2f}, {c.x - r, c.y}};
    default:
      return {};
  }
}

}  // namespace regroup::plot
