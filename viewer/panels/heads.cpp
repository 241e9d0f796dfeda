// How alike the heads are that get merged, before and after the rotations that RoPE allows.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>

#include "viewer/panel.h"

namespace regroup::view {
namespace {

using Matrix = HeadSimilarity::Matrix;

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
  // The same colour before and after, another marker.
  Series key{.name = "K", .colour = 0, .marker = Marker::kCircle},
      key_aligned{.name = "aligned", .colour = 0, .marker = Marker::kSquare},
      value{.name = "V", .colour = 1, .marker = Marker::kTriangle},
      value_aligned{.name = "aligned", .colour = 1, .marker = Marker::kDiamond};
  for (std::size_t l = 0; l < s.heads.size() && l < s.settings.groups.size(); ++l) {
    // With one head per group nothing is merged; then all heads are compared, to show what merging would meet.
    const auto heads = static_cast<std::uint32_t>(s.heads[l].value.size());
    const std::uint32_t groups = s.settings.groups[l] == heads ? 1 : s.settings.groups[l];
    const auto add = [&](Series& series, const HeadSimilarity::Matrix& similarity) {
      if (similarity.empty()) return;
      series.x.push_back(static_cast<double>(l)), series.y.push_back(within_groups(similarity, groups));
    };
    add(key, s.heads[l].key), add(key_aligned, s.heads[l].key_aligned);
    add(value, s.heads[l].value), add(value_aligned, s.heads[l].value_aligned);
  }
  LinePlot plot{.series = {key, key_aligned, value, value_aligned}, .zero_based = false};
  return {.id = "head-similarity",
          .title = "Similarity of merged heads",
          .x_label = "layer",
          .y_label = "cosine",
          .content = plot};
}

Figure matrix(std::string id, const char* title, const Matrix& similarity) {
  std::replace(id.begin(), id.end(), ' ', '-');
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
  c.show(by_layer(s), room.y * 0.4f);
  const std::size_t last = s.heads.size() - 1;
  int layer = static_cast<int>(std::min(c.ui.layer, last));
  ImGui::SetNextItemWidth(-1);
  if (ImGui::SliderInt("##layer", &layer, 0, static_cast<int>(last), "layer %d"))
    c.ui.layer = static_cast<std::size_t>(std::clamp(layer, 0, static_cast<int>(last)));
  const HeadSimilarity& heads = s.heads[static_cast<std::size_t>(layer)];
  // Four square maps: in two rows where that makes them larger.
  const float gap = em * 0.5f, caption = em * 1.2f, rest = ImGui::GetContentRegionAvail().y;
  const float side_by_side = std::min((room.x - 3 * gap) / 4, rest - caption);
  const float two_by_two = std::min((room.x - gap) / 2, (rest - gap) / 2 - caption);
  const int columns = two_by_two > side_by_side ? 2 : 4;
  const float side = std::max(two_by_two, side_by_side);
  const std::pair<const char*, const Matrix*> maps[] = {
      {"K", &heads.key}, {"K aligned", &heads.key_aligned}, {"V", &heads.value}, {"V aligned", &heads.value_aligned}};
  int shown = 0;
  for (const auto& [title, similarity] : maps) {
    if (similarity->empty()) continue;
    if (shown++ % columns != 0) ImGui::SameLine(0, gap);
    c.show(matrix(title, title, *similarity), side + caption, side);
  }
}

}  // namespace

const Panel& heads_panel() {
  static const Panel panel = {"heads", "Heads",
                              "Cosine similarity of the key/value heads that are merged into a group, from the "
                              "checkpoint's weights, averaged over the pairs of each group (at full G over all pairs). "
                              "\"Aligned\" is what the method `align` makes of them: keys are turned plane by plane of "
                              "the rotary embedding, values by an orthogonal map, which changes no result of the "
                              "unmerged model. Brighter cells below are more alike.",
                              draw};
  return panel;
}

}  // namespace regroup::view
