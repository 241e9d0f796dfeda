#include "viewer/layout.h"

#include <algorithm>
#include <cmath>

namespace regroup::view {
namespace {

constexpr float kLeastWeight = 0.05f;

float visible_weight(const Layout::Column& column) {
  float weight = 0;
  for (const auto& cell : column.cells) weight += cell.visible ? cell.weight : 0;
  return weight;
}

}  // namespace

Layout::Cell* Layout::find(std::string_view panel) {
  for (Column& column : columns) {
    for (Cell& cell : column.cells) {
      if (cell.panel == panel) return &cell;
    }
  }
  return nullptr;
}

const Layout::Cell* Layout::find(std::string_view panel) const {
  return const_cast<Layout*>(this)->find(panel);
}

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names = {"live", "memory", "compare"};
  return names;
}

Layout preset_layout(std::string_view name) {
  Layout layout{{{1.12f, {{"tokens", 0.58f}, {"attention", 0.42f}, {"compare", 0.4f, false}}},
                 {1.0f, {{"groups", 0.44f}, {"memory", 0.56f}}},
                 {1.0f, {{"latency", 0.52f}, {"quality", 0.48f}}},
                 {0.64f, {{"heads", 0.55f}, {"device", 0.45f}}}}};
  const auto show_only = [&](std::initializer_list<std::string_view> shown) {
    for (Layout::Column& column : layout.columns) {
      for (Layout::Cell& cell : column.cells) {
        cell.visible = std::find(shown.begin(), shown.end(), cell.panel) != shown.end();
      }
    }
  };
  if (name == "memory") show_only({"tokens", "groups", "memory", "heads"});
  if (name == "compare") show_only({"tokens", "compare", "latency", "quality"});
  return layout;
}

Arrangement arrange(const Layout& layout, const std::string& enlarged, Rect area, float gap, float least_width) {
  Arrangement result;
  if (!enlarged.empty() && layout.find(enlarged) != nullptr) {
    result.panels.push_back({enlarged, area});
    return result;
  }
  std::vector<std::size_t> columns;
  float total = 0;
  for (std::size_t c = 0; c < layout.columns.size(); ++c) {
    if (visible_weight(layout.columns[c]) <= 0) continue;
    columns.push_back(c);
    total += layout.columns[c].weight;
  }
  if (columns.empty()) return result;
  // Columns at the right give way where not all are wide enough to be read.
  const auto room = [&] { return area.width() - gap * static_cast<float>(columns.size() - 1); };
  const auto narrowest = [&] {
    float least = INFINITY;
    for (const std::size_t c : columns) least = std::min(least, room() * layout.columns[c].weight / total);
    return least;
  };
  while (columns.size() > 1 && narrowest() < least_width) {
    total -= layout.columns[columns.back()].weight;
    columns.pop_back();
  }
  const float width = room();
  float x = area.min.x;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Layout::Column& column = layout.columns[columns[i]];
    const float right = i + 1 == columns.size() ? area.max.x : x + width * column.weight / total;
    std::vector<std::size_t> cells;
    for (std::size_t k = 0; k < column.cells.size(); ++k) {
      if (column.cells[k].visible) cells.push_back(k);
    }
    const float height = area.height() - gap * static_cast<float>(cells.size() - 1);
    float y = area.min.y;
    for (std::size_t k = 0; k < cells.size(); ++k) {
      const Layout::Cell& cell = column.cells[cells[k]];
      const float bottom = k + 1 == cells.size() ? area.max.y : y + height * cell.weight / visible_weight(column);
      result.panels.push_back({cell.panel, {{x, y}, {right, bottom}}});
      if (k + 1 < cells.size()) {
        result.seams.push_back({.area = {{x, bottom}, {right, bottom + gap}},
                                .column = columns[i],
                                .cell = cells[k],
                                .other_cell = cells[k + 1]});
      }
      y = bottom + gap;
    }
    if (i + 1 < columns.size()) {
      result.seams.push_back({.area = {{right, area.min.y}, {right + gap, area.max.y}},
                              .between_columns = true,
                              .column = columns[i],
                              .other_column = columns[i + 1]});
    }
    x = right + gap;
  }
  return result;
}

void move_seam(Layout& layout, const Seam& seam, float pixels, Rect area) {
  const auto shift = [](float& first, float& second, float amount) {
    const float low = kLeastWeight - first, high = second - kLeastWeight;
    if (low >= high) return;
    amount = std::clamp(amount, low, high);
    first += amount;
    second -= amount;
  };
  if (seam.between_columns) {
    float total = 0;
    for (const Layout::Column& column : layout.columns) total += visible_weight(column) > 0 ? column.weight : 0;
    shift(layout.columns[seam.column].weight, layout.columns[seam.other_column].weight, pixels / area.width() * total);
    return;
  }
  Layout::Column& column = layout.columns[seam.column];
  shift(column.cells[seam.cell].weight, column.cells[seam.other_cell].weight,
        pixels / area.height() * visible_weight(column));
}

nlohmann::json layout_to_json(const Layout& layout) {
  nlohmann::json columns = nlohmann::json::array();
  for (const Layout::Column& column : layout.columns) {
    nlohmann::json cells = nlohmann::json::array();
    for (const Layout::Cell& cell : column.cells) {
      cells.push_back({{"panel", cell.panel}, {"weight", cell.weight}, {"visible", cell.visible}});
    }
    columns.push_back({{"weight", column.weight}, {"cells", std::move(cells)}});
  }
  return columns;
}

Layout layout_from_json(const nlohmann::json& json) {
  Layout layout = preset_layout("live");
  if (!json.is_array() || json.size() != layout.columns.size()) return layout;
  for (std::size_t c = 0; c < json.size(); ++c) {
    if (!json[c].is_object()) continue;
    const auto weight = json[c].find("weight");
    if (weight != json[c].end() && weight->is_number()) {
      layout.columns[c].weight = std::clamp(weight->get<float>(), kLeastWeight, 20.0f);
    }
    const auto cells = json[c].find("cells");
    if (cells == json[c].end() || !cells->is_array()) continue;
    for (const auto& cell : *cells) {
      if (!cell.is_object() || !cell.contains("panel") || !cell["panel"].is_string()) continue;
      Layout::Cell* known = layout.find(cell["panel"].get<std::string>());
      if (known == nullptr) continue;
      if (cell.contains("weight") && cell["weight"].is_number()) {
        known->weight = std::clamp(cell["weight"].get<float>(), kLeastWeight, 20.0f);
      }
      if (cell.contains("visible") && cell["visible"].is_boolean()) known->visible = cell["visible"].get<bool>();
    }
  }
  return layout;
}

}  // namespace regroup::view
