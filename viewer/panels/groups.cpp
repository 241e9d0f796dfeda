// The knob: how many key/value heads are left, how they are merged, and which query head reads which.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>

#include "viewer/panel.h"

namespace regroup::view {
namespace {

bool uniform(const std::vector<std::uint32_t>& groups) {
  return std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; });
}

// H query heads in a row, the checkpoint's KV heads below, the groups at the bottom, with lines between.
void draw_map(const PanelContext& c, Rect area, std::uint32_t query_heads, std::uint32_t kv_heads,
              std::uint32_t groups) {
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const Theme& theme = c.theme;
  ImGui::PushFont(theme.small);
  const float line = ImGui::GetFontSize();
  const float label = line * 5.6f;
  const float left = area.min.x + label, width = area.width() - label;
  const bool three_rows = kv_heads != query_heads;
  const float top = area.min.y + line * 0.9f, bottom = area.max.y - line * 0.9f;
  const float middle = (top + bottom) / 2;
  const auto x_of = [&](std::uint32_t index, std::uint32_t count) {
    return left + width * (static_cast<float>(index) + 0.5f) / static_cast<float>(count);
  };
  const float radius = std::min({line * 0.62f, width / static_cast<float>(query_heads) * 0.38f, area.height() * 0.09f});
  const auto colour_of = [&](std::uint32_t group) { return theme.colour(group); };
  const auto group_of_kv = [&](std::uint32_t head) { return head * groups / kv_heads; };
  const float thick = std::max(1.5f, line * 0.14f);
  for (std::uint32_t h = 0; h < query_heads; ++h) {
    const std::uint32_t kv = h * kv_heads / query_heads, g = group_of_kv(kv);
    const ImVec2 from(x_of(h, query_heads), top);
    const ImVec2 to = three_rows ? ImVec2(x_of(kv, kv_heads), middle) : ImVec2(x_of(g, groups), bottom);
    const float bend = (to.y - from.y) * 0.5f;
    list.AddBezierCubic(from, {from.x, from.y + bend}, {to.x, to.y - bend}, to, with_alpha(colour_of(g), 0.75f), thick);
  }
  if (three_rows) {
    for (std::uint32_t kv = 0; kv < kv_heads; ++kv) {
      const std::uint32_t g = group_of_kv(kv);
      const ImVec2 from(x_of(kv, kv_heads), middle), to(x_of(g, groups), bottom);
      const float bend = (to.y - from.y) * 0.5f;
      list.AddBezierCubic(from, {from.x, from.y + bend}, {to.x, to.y - bend}, to, colour_of(g), thick);
    }
  }
  const auto number = [&](ImVec2 at, std::uint32_t value, ImU32 colour) {
    const std::string text = std::to_string(value);
    const float text_width = ImGui::CalcTextSize(text.c_str()).x;
    if (text_width < radius * 2.1f) list.AddText({at.x - text_width / 2, at.y - line / 2}, colour, text.c_str());
  };
  const ImU32 dark = IM_COL32(10, 14, 20, 255);
  for (std::uint32_t h = 0; h < query_heads; ++h) {
    const ImVec2 at(x_of(h, query_heads), top);
    const std::uint32_t g = group_of_kv(h * kv_heads / query_heads);
    list.AddCircleFilled(at, radius, theme.panel);
    list.AddCircle(at, radius, colour_of(g), 0, thick);
    number(at, h, theme.text);
  }
  for (std::uint32_t kv = 0; three_rows && kv < kv_heads; ++kv) {
    const ImVec2 at(x_of(kv, kv_heads), middle);
    list.AddCircleFilled(at, radius * 0.85f, colour_of(group_of_kv(kv)));
    number(at, kv, dark);
  }
  for (std::uint32_t g = 0; g < groups; ++g) {
    const ImVec2 at(x_of(g, groups), bottom);
    list.AddRectFilled({at.x - radius * 1.3f, at.y - radius}, {at.x + radius * 1.3f, at.y + radius}, colour_of(g), 3);
    number(at, g, theme.name == ThemeName::kLight ? IM_COL32_WHITE : dark);
  }
  const auto row_label = [&](float y, const std::string& text) {
    list.AddText({area.min.x, y - line / 2}, theme.dim, text.c_str());
  };
  row_label(top, fmt::format("{} query", query_heads));
  if (three_rows) row_label(middle, fmt::format("{} K/V", kv_heads));
  row_label(bottom, fmt::format("{} group{}", groups, groups == 1 ? "" : "s"));
  ImGui::PopFont();
}

void per_layer_cells(PanelContext& c) {
  const RunSettings& s = c.state.settings;
  const float em = ImGui::GetFontSize();
  ImGui::PushFont(c.theme.small);
  for (std::size_t l = 0; l < s.groups.size(); ++l) {
    if (l > 0) {
      ImGui::SameLine(0, 3);
      if (ImGui::GetContentRegionAvail().x < em * 3.4f) ImGui::NewLine();
    }
    ImGui::PushID(static_cast<int>(l));
    const auto at = std::find(s.choices.begin(), s.choices.end(), s.groups[l]);
    const std::size_t index =
        static_cast<std::size_t>(at - s.choices.begin()) % std::max<std::size_t>(s.choices.size(), 1);
    const ImU32 colour = c.theme.colour(index);
    ImGui::PushStyleColor(ImGuiCol_Button, with_alpha(colour, 0.35f));
    ImGui::PushStyleColor(ImGuiCol_ButtonHovered, with_alpha(colour, 0.6f));
    const bool next = ImGui::Button(fmt::format("{}: {}", l, s.groups[l]).c_str(), {em * 3.2f, 0});
    const bool back = ImGui::IsItemClicked(1);
    ImGui::PopStyleColor(2);
    if (ImGui::IsItemHovered()) {
      ImGui::SetTooltip("Layer %zu: G = %u.\nClick for fewer, right click for more.", l, s.groups[l]);
      c.ui.layer = l;
    }
    if ((next || back) && !s.choices.empty()) {
      auto groups = s.groups;
      const std::size_t count = s.choices.size();
      groups[l] = s.choices[(index + (next ? 1 : count - 1)) % count];
      c.ask(SetGroups{groups});
    }
    ImGui::PopID();
  }
  ImGui::PopFont();
}

void draw(PanelContext& c) {
  const RunSettings& s = c.state.settings;
  const TraceModel& model = c.state.trace.model;
  if (s.groups.empty() || model.layers == 0) {
    empty_panel(c.theme, "Open a model to turn its number of key/value groups.");
    return;
  }
  const float em = ImGui::GetFontSize();
  const Wanted& wanted = c.state.wanted;
  const bool live = c.state.phase != Phase::kReplay;
  ImGui::BeginDisabled(!live);
  if (!s.choices.empty()) {
    ImGui::AlignTextToFramePadding();
    ImGui::PushFont(c.theme.bold);
    ImGui::TextUnformatted("G");
    ImGui::PopFont();
    ImGui::SameLine(0, em * 0.6f);
    std::vector<std::string> labels;
    int chosen = -1;
    const auto& shown = wanted.groups.empty() ? s.groups : wanted.groups;
    for (std::size_t i = 0; i < s.choices.size(); ++i) {
      labels.push_back(fmt::format("  {}  ", s.choices[i]));
      if (uniform(shown) && shown[0] == s.choices[i]) chosen = static_cast<int>(i);
    }
    const int clicked = segmented(c.theme, "knob", labels, chosen);
    if (clicked >= 0) c.ask(SetGroups{{s.choices[static_cast<std::size_t>(clicked)]}});
    next_to(ImGui::CalcTextSize("per layer").x + ImGui::GetFrameHeight() * 1.4f, em);
    ImGui::Checkbox("per layer", &c.ui.per_layer);
    if (ImGui::IsItemHovered()) ImGui::SetTooltip("Choose G layer by layer");
  }
  ImGui::SetNextItemWidth(em * 6.5f);
  const std::string& method = wanted.method.empty() ? s.method : wanted.method;
  if (ImGui::BeginCombo("##method", method.c_str(), ImGuiComboFlags_HeightLargest)) {
    for (const std::string& other : s.methods) {
      if (ImGui::Selectable(other.c_str(), other == method)) c.ask(SetMethod{other});
    }
    ImGui::EndCombo();
  }
  if (ImGui::IsItemHovered()) {
    ImGui::SetTooltip(
        "How the heads of a group become one.\nmean, first and random: at once, at a price in quality.\nThe others "
        "merge layer by layer, the last four on text that the model\nwrites itself; the result is kept, so that the "
        "second time takes no time.");
  }
  next_to(ImGui::CalcTextSize("recompute cache").x + em, ImGui::GetStyle().ItemSpacing.x);
  const int mode =
      segmented(c.theme, "mode", {"recompute cache", "pool cache"}, s.mode == RegroupMode::kReprefill ? 0 : 1);
  if (mode >= 0) c.ask(SetRegroupMode{mode == 0 ? RegroupMode::kReprefill : RegroupMode::kPoolCache});
  if (ImGui::IsItemHovered()) {
    ImGui::SetTooltip(
        "What a change of G does to the cache.\nRecompute: exact, costs a prefill.\nPool: instant, an approximation "
        "behind layer 0.");
  }
  if (c.ui.per_layer) per_layer_cells(c);
  ImGui::EndDisabled();

  const std::size_t layer = std::min(c.ui.layer, s.groups.size() - 1);
  const ImVec2 corner = ImGui::GetCursorScreenPos();
  ImVec2 room = ImGui::GetContentRegionAvail();
  const bool alike = uniform(s.groups) && uniform(model.kv_heads);
  if (!alike) room.y -= ImGui::GetTextLineHeightWithSpacing();
  if (room.y > em * 5) {
    draw_map(c, {{corner.x, corner.y + em * 0.3f}, {corner.x + room.x, corner.y + room.y}}, model.query_heads,
             model.kv_heads[layer], s.groups[layer]);
    ImGui::Dummy(room);
  }
  if (!alike) dim_text(c.theme, fmt::format("The map shows layer {}.", layer));
}

}  // namespace

const Panel& groups_panel() {
  static const Panel panel = {
      "groups", "Groups",
      "G is the number of key/value heads that are kept. G equal to the number of query heads is multi-head attention, "
      "G = 1 "
      "is multi-query attention. Turning the knob merges the heads of each group into one while the model keeps "
      "decoding "
      "(keys 1 to 9). The map shows which query head reads which group. Recomputing the cache is exact; pooling it is "
      "instant but only approximate behind the first layer.",
      draw};
  return panel;
}

}  // namespace regroup::view
