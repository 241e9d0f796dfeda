// Where panels stand: columns of panels with movable seams, presets, and what the user's config file keeps.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plot/canvas.h"
#include "runtime/core/json.h"

namespace regroup::view {

using plot::Rect;

struct Layout {
  struct Cell {
    std::string panel;
    float weight = 1;
    bool visible = true;
  };
  struct Column {
    float weight = 1;
    std::vector<Cell> cells;
  };
  std::vector<Column> columns;

  Cell* find(std::string_view panel);
  const Cell* find(std::string_view panel) const;
};

// "live", "memory", "compare"; an unknown name gives "live".
Layout preset_layout(std::string_view name);
const std::vector<std::string>& preset_names();

// A seam that can be dragged: between columns `first` and the next visible one, or between two cells of a column.
struct Seam {
  Rect area;
  bool between_columns = false;
  std::size_t column = 0, other_column = 0;
  std::size_t cell = 0, other_cell = 0;
};
struct Placed {
  std::string panel;
  Rect area;
};
struct Arrangement {
  std::vector<Placed> panels;
  std::vector<Seam> seams;
};
// `enlarged` takes the whole area; empty: none.
Arrangement arrange(const Layout& layout, const std::string& enlarged, Rect area, float gap, float least_width = 0);
// Moves a seam by some pixels.
void move_seam(Layout& layout, const Seam& seam, float pixels, Rect area);

nlohmann::json layout_to_json(const Layout& layout);
// Anything wrong or missing leaves the "live" preset's part as it is: a config file must never keep the window shut.
Layout layout_from_json(const nlohmann::json& json);

}  // namespace regroup::view
