// How alike the heads are that get merged, before and after the rotations that RoPE allows.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>

#include "viewer/panel.h"

namespace regroup::view {
namespace {

using Matrix = std::vector<std::vector<double>>;

// Mean over the pairs that share a group; 1 when no two heads do.
double within_groups(const Matrix& similarity, std::uint32_t groups) {
  const std::size_t heads = similarity.size(), size = heads / std::max(groups, 1u);
  double sum = 0;
  std::size_t pairs = 0;
  for (std::size_t a = 0; a < heads; ++a) {
    for (std::size_t b = a + 1; b < heads; ++b) {
      if (size == 0 || a / size != b / size) continue;
      sum += similarity[a][b];
      ++pairs;
    }
  }
  return pairs > 0 ? sum / static_cast<double>(pairs) : 1.0;
}

Figure by_layer(const AppState& s) {
  Series before{.name = "K", .colour = 0, .marker = Marker::kCircle},
      after{.name = "K aligned", .colour = 1, .marker = Marker::kSquare},
      value{.name = "V", .colour = 2, .marker = Marker::kTriangle};
  for (std::size_t l = 0; l < s.heads.size() && l < s.settings.groups.size(); ++l) {
    // With one head per group nothing is merged; then all heads are compared, to show what merging would meet.
    const auto heads = static_cast<std::uint32_t>(s.heads[l].value.size());
    const std::uint32_t groups = s.settings.groups[l] == heads ? 1 : s.settings.groups[l];
    const auto x = static_cast<double>(l);
    before.x.push_back(x), before.y.push_back(within_groups(s.heads[l].key_before, groups));
    after.x.push_back(x), after.y.push_back(within_groups(s.heads[l].key_after, groups));
    value.x.push_back(x), value.y.push_back(within_groups(s.heads[l].value, groups));
  }
  LinePlot plot{.series = {before, after, value}, .zero_based = false};
  return {.id = "head-similarity",
          .title = "Similarity of merged heads",
          .x_label = "layer",
          .y_label = "cosine",
          .content = plot};
}

Figure matrix(const char* id, const char* title, const Matrix& similarity) {
  HeatMap map{.rows = static_cast<std::uint32_t>(similarity.size()),
              .columns = static_cast<std::uint32_t>(similarity.size()),
              .low = 0,
              .high = 1,
              .row_name = "head",
              .column_name = "head"};
  for (const auto& row : similarity) {
    for (const double value : row) map.values.push_back(static_cast<float>(value));
  }
  return {.id = id, .title = title, .x_label = {}, .y_label = {}, .content = map};
}

void draw(PanelContext& c) {
  const AppState& s = c.state;
  if (s.heads.empty() || s.settings.groups.empty()) {
    empty_panel(c.theme, s.phase == Phase::kReplay ? "A trace keeps no weights; open the model to compare its heads."
                                                   : "The heads of an open model are compared here.");
    return;
  }
  if (s.heads[0].value.size() < 2) {
    empty_panel(c.theme, "This model has a single key/value head: there is nothing to merge.");
    return;
  }
  const float em = ImGui::GetFontSize();
  const ImVec2 room = ImGui::GetContentRegionAvail();
  c.show(by_layer(s), room.y * 0.56f);
  const std::size_t last = s.heads.size() - 1;
  int layer = static_cast<int>(std::min(c.ui.layer, last));
  ImGui::SetNextItemWidth(-1);
  if (ImGui::SliderInt("##layer", &layer, 0, static_cast<int>(last), "layer %d"))
    c.ui.layer = static_cast<std::size_t>(std::clamp(layer, 0, static_cast<int>(last)));
  const LayerHeads& heads = s.heads[static_cast<std::size_t>(layer)];
  const float width = (room.x - em) / 3;
  const float height = std::min(ImGui::GetContentRegionAvail().y, width + em * 1.2f);  // square cells
  c.show(matrix("keys", "K", heads.key_before), height, width);
  ImGui::SameLine(0, em * 0.5f);
  c.show(matrix("keys-aligned", "K aligned", heads.key_after), height, width);
  ImGui::SameLine(0, em * 0.5f);
  c.show(matrix("values", "V", heads.value), height, width);
}

}  // namespace

const Panel& heads_panel() {
  static const Panel panel = {"heads", "Heads",
                              "Cosine similarity of the key/value heads that are merged into a group, from the "
                              "checkpoint's weights, averaged over the "
                              "pairs of each group (at full G over all pairs). Keys are compared plane by plane of the "
                              "rotary embedding; \"aligned\" "
                              "lets each plane of one head be rotated, which changes no attention score, and shows how "
                              "much a method that aligns "
                              "heads before merging them can gain. Brighter cells below are more alike.",
                              draw};
  return panel;
}

}  // namespace regroup::view
