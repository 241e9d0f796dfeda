// Which earlier tokens each token looks at: one head of one layer large, the heads of its group beside each other.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>
#include <cmath>

#include "viewer/panel.h"
#include "viewer/token_text.h"

namespace regroup::view {
namespace {

Figure head_map(const AppState& s, std::uint32_t head, bool large) {
  HeatMap map{.low = 0, .high = 0, .row_name = "token", .column_name = "looks at"};
  const auto& rows = s.attention;
  const std::uint32_t columns = rows.back().position + 1;
  map.rows = static_cast<std::uint32_t>(rows.size());
  map.columns = columns;
  map.values.assign(std::size_t{map.rows} * columns, NAN);
  for (std::uint32_t r = 0; r < map.rows; ++r) {
    const std::uint32_t width = rows[r].position + 1;
    for (std::uint32_t c = 0; c < width && c < columns; ++c) {
      const float weight = std::sqrt(rows[r].weights[std::size_t{head} * width + c]);  // small weights stay visible
      map.values[std::size_t{r} * columns + c] = weight;
      map.high = std::max(map.high, weight);
    }
  }
  return {.id = large ? "attention" : fmt::format("attention-head-{}", head),
          .title = large ? std::string() : fmt::format("head {}", head),
          .x_label = {},
          .y_label = {},
          .content = map};
}

void draw(PanelContext& c) {
  const AppState& s = c.state;
  const TraceModel& model = s.trace.model;
  if (model.layers == 0 || s.phase == Phase::kReplay) {
    empty_panel(c.theme, model.layers == 0 ? "Open a model to see where its heads look."
                                           : "A trace keeps no attention maps; open the model to see them.");
    return;
  }
  const float em = ImGui::GetFontSize();
  int layer = static_cast<int>(s.settings.attention_layer.value_or(0)),
      head = static_cast<int>(std::min<std::size_t>(c.ui.head, model.query_heads - 1));
  const float half = (ImGui::GetContentRegionAvail().x - em * 0.6f) / 2;
  ImGui::SetNextItemWidth(half);
  if (ImGui::SliderInt("##layer", &layer, 0, static_cast<int>(model.layers) - 1, "layer %d")) {
    c.ask(WatchAttention{static_cast<std::uint32_t>(std::clamp(layer, 0, static_cast<int>(model.layers) - 1))});
  }
  ImGui::SameLine(0, em * 0.6f);
  ImGui::SetNextItemWidth(half);
  if (ImGui::SliderInt("##head", &head, 0, static_cast<int>(model.query_heads) - 1, "head %d"))
    c.ui.head = static_cast<std::size_t>(std::max(head, 0));
  if (s.attention.empty()) {
    empty_panel(c.theme, s.trace.tokens.empty() ? "Run a prompt to see where its tokens look."
                                                : "The next step fills this map.");
    return;
  }
  const std::uint32_t groups =
      s.settings.groups[std::min<std::size_t>(static_cast<std::size_t>(layer), s.settings.groups.size() - 1)];
  const std::uint32_t per_group = std::max(1u, model.query_heads / groups);
  const auto chosen = std::min(static_cast<std::uint32_t>(head), model.query_heads - 1);
  const std::uint32_t first = chosen / per_group * per_group;
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const std::uint32_t shown = std::min(per_group, 8u);
  // Small maps in a column of one or two beside the large one.
  const std::uint32_t columns = shown > 4 ? 2 : 1, per_column = (shown + columns - 1) / columns;
  const float small = per_group > 1 ? std::min(room.x * 0.2f, room.y / static_cast<float>(per_column)) : 0.0f;
  const float large_width =
      per_group > 1 ? room.x - small * static_cast<float>(columns) - em * 0.5f * static_cast<float>(columns) : room.x;
  const ImVec2 corner = ImGui::GetCursorPos();
  c.show(head_map(s, chosen, true), room.y, large_width);
  for (std::uint32_t i = 0; per_group > 1 && i < shown; ++i) {
    const std::uint32_t h = first + i;
    ImGui::SetCursorPos({corner.x + large_width + em * 0.5f + static_cast<float>(i / per_column) * (small + em * 0.5f),
                         corner.y + static_cast<float>(i % per_column) * (room.y / static_cast<float>(per_column))});
    const ImVec2 at = ImGui::GetCursorScreenPos();
    const float height = room.y / static_cast<float>(per_column) - em * 0.3f;
    c.show(head_map(s, h, false), height, small);
    if (ImGui::IsItemClicked()) c.ui.head = h;
    if (h == chosen && small > em * 2 && height > em * 2) {
      ImGui::GetWindowDrawList()->AddRect({at.x - 1, at.y + em * 1.05f}, {at.x + small + 1, at.y + height + 1},
                                          c.theme.accent, 0, 0, 1.5f);
    }
  }
}

}  // namespace

const Panel& attention_panel() {
  static const Panel panel = {"attention", "Attention",
                              "Every row is a token, every column an earlier one that it may look at; the brighter, "
                              "the more weight (on a square-root "
                              "scale, so that small weights stay visible). The maps at the right are the query heads "
                              "that share this head's group: "
                              "they read the same keys and values. Weights come from the queries and cached keys of "
                              "the real pass; while this panel "
                              "is hidden nothing is copied.",
                              draw};
  return panel;
}

}  // namespace regroup::view
