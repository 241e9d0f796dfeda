#include "viewer/panel.h"

#include <imgui.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "viewer/window_canvas.h"

namespace regroup::view {

#define REGROUP_PANEL(name) const Panel& name##_panel();
#include "viewer/panels.def"
#undef REGROUP_PANEL

const std::vector<const Panel*>& all_panels() {
  static const std::vector<const Panel*> panels = {
#define REGROUP_PANEL(name) &name##_panel(),
#include "viewer/panels.def"
#undef REGROUP_PANEL
  };
  return panels;
}

const Panel* find_panel(std::string_view id) {
  for (const Panel* panel : all_panels()) {
    if (panel->id == id) return panel;
  }
  return nullptr;
}

void PanelContext::show(Figure figure, float height, float width) const {
  const ImVec2 corner = ImGui::GetCursorScreenPos();
  if (width <= 0) width = ImGui::GetContentRegionAvail().x;
  // Smaller than that axes leave no room for what they measure.
  const float least = ImGui::GetFontSize() * (std::holds_alternative<HeatMap>(figure.content) ? 2.0f : 6.0f);
  if (height < least || width < least) {
    ui.drawn[std::string(panel)].push_back({std::move(figure), {}});  // can be exported all the same
    return;
  }
  const Rect area{corner, {corner.x + width, corner.y + height}};
  ImGui::PushID(figure.id.c_str());
  ImGui::InvisibleButton("figure", {width, height});
  const bool hovered = ImGui::IsItemHovered();
  ImGui::PopID();
  ImGui::PushFont(theme.small);
  WindowCanvas canvas(*ImGui::GetWindowDrawList());
  ImGui::PushClipRect(area.min, area.max, true);
  const std::string text = draw_figure(canvas, theme, figure, area, hovered ? ImGui::GetMousePos() : ImVec2(-1, -1));
  ImGui::PopClipRect();
  ImGui::PopFont();
  if (hovered && !text.empty()) {
    ImGui::BeginTooltip();
    ImGui::TextUnformatted(text.data(), text.data() + text.size());
    ImGui::EndTooltip();
  }
  ui.drawn[std::string(panel)].push_back({std::move(figure), area});
}

std::string groups_label(const std::vector<std::uint32_t>& groups) {
  if (groups.empty()) return "?";
  const bool alike = std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; });
  return alike ? "G " + std::to_string(groups[0]) : std::string("G mixed");
}

void dim_text(const Theme& theme, std::string_view text) {
  ImGui::PushStyleColor(ImGuiCol_Text, theme.dim);
  ImGui::PushTextWrapPos(0);
  ImGui::TextUnformatted(text.data(), text.data() + text.size());
  ImGui::PopTextWrapPos();
  ImGui::PopStyleColor();
}

void empty_panel(const Theme& theme, std::string_view text) {
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float wrap = std::min(room.x * 0.9f, ImGui::GetFontSize() * 24);
  const ImVec2 size = ImGui::CalcTextSize(text.data(), text.data() + text.size(), false, wrap);
  const ImVec2 at = ImGui::GetCursorPos();
  ImGui::SetCursorPos({at.x + std::max(0.0f, (room.x - size.x) / 2), at.y + std::max(0.0f, (room.y - size.y) * 0.42f)});
  ImGui::PushStyleColor(ImGuiCol_Text, theme.dim);
  ImGui::PushTextWrapPos(ImGui::GetCursorPosX() + wrap);
  ImGui::TextUnformatted(text.data(), text.data() + text.size());
  ImGui::PopTextWrapPos();
  ImGui::PopStyleColor();
}

void fact(const Theme& theme, std::string_view label, std::string_view value, float value_x) {
  ImGui::PushStyleColor(ImGuiCol_Text, theme.dim);
  ImGui::TextUnformatted(label.data(), label.data() + label.size());
  ImGui::PopStyleColor();
  ImGui::PushFont(theme.mono);
  // Below the label where the panel is too narrow for both.
  const float width = ImGui::CalcTextSize(value.data(), value.data() + value.size()).x;
  if (value_x + width <= ImGui::GetWindowContentRegionMax().x) {
    ImGui::SameLine(value_x);
  } else {
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  }
  ImGui::PushTextWrapPos(0);
  ImGui::TextUnformatted(value.data(), value.data() + value.size());
  ImGui::PopTextWrapPos();
  ImGui::PopFont();
}

void next_to(float width, float gap) {
  ImGui::SameLine(0, gap);
  if (ImGui::GetContentRegionAvail().x < width) ImGui::NewLine();
}

int segmented(const Theme& theme, const char* id, const std::vector<std::string>& labels, int chosen) {
  int clicked = -1;
  ImGui::PushID(id);
  for (int i = 0; i < static_cast<int>(labels.size()); ++i) {
    if (i > 0) {
      // On to the next line where the panel is too narrow.
      const float width =
          ImGui::CalcTextSize(labels[static_cast<std::size_t>(i)].c_str()).x + ImGui::GetStyle().FramePadding.x * 2;
      next_to(width, 3);
    }
    const bool active = i == chosen;
    if (active) {
      ImGui::PushStyleColor(ImGuiCol_Button, theme.accent);
      ImGui::PushStyleColor(ImGuiCol_ButtonHovered, theme.accent);
      ImGui::PushStyleColor(ImGuiCol_ButtonActive, theme.accent);
      ImGui::PushStyleColor(ImGuiCol_Text, theme.accent_text);
    }
    ImGui::PushID(i);
    if (ImGui::Button(labels[static_cast<std::size_t>(i)].c_str())) clicked = i;
    ImGui::PopID();
    if (active) ImGui::PopStyleColor(4);
  }
  ImGui::PopID();
  return clicked;
}

}  // namespace regroup::view
