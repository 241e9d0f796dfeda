// Two runs beside each other: where they part, in tokens and in layers.
#include <fmt/format.h>
#include <imgui.h>

#include "viewer/panel.h"
#include "viewer/token_text.h"

namespace regroup::view {
namespace {

void draw(PanelContext& c) {
  const AppState& s = c.state;
  if (!s.other) {
    empty_panel(c.theme,
                "Open or run something, then drop a trace here while holding this panel open (or start regroup-view "
                "with two traces) to compare the runs.");
    return;
  }
  ImGui::PushFont(c.theme.bold);
  ImGui::TextUnformatted(s.other_name.c_str());
  ImGui::PopFont();
  ImGui::SameLine();
  dim_text(c.theme, fmt::format("{}, {}", s.other->model.name, s.other->device));
  ImGui::PushTextWrapPos(0);
  ImGui::TextUnformatted(s.difference.describe().c_str());
  ImGui::PopTextWrapPos();
  ImGui::PushStyleColor(ImGuiCol_ChildBg, c.theme.field);
  ImGui::BeginChild("other", {0, -ImGui::GetFrameHeightWithSpacing()}, true);
  draw_tokens(c.theme, *s.other, s.difference.first_token);
  ImGui::EndChild();
  ImGui::PopStyleColor();
  if (ImGui::Button("Close comparison")) c.ask(CloseComparison{});
}

}  // namespace

const Panel& compare_panel() {
  static const Panel panel = {"compare", "Compare",
                              "The text of a second trace. Underlined from the first token on that differs from the "
                              "run at the left. When both traces "
                              "recorded layers, the first layer whose residual stream differs is named too: what a "
                              "change of kernel, driver or G "
                              "touched first.",
                              draw};
  return panel;
}

}  // namespace regroup::view
