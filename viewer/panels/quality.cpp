// What grouping costs: how far the next-token distribution is from the ungrouped model's on the same text.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>

#include "viewer/panel.h"

namespace regroup::view {
namespace {

struct QualitySums {
  std::size_t tokens = 0, same = 0;
  double kl = 0;
  double ms = 0;
  std::size_t timed = 0;
};

Figure divergence(const Trace& trace) {
  LinePlot plot;
  Series kl{.name = "KL", .colour = 4};
  Series differs{.name = "other top token", .colour = 1, .marker = Marker::kCross, .connected = false};
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    const TraceToken& token = trace.tokens[t];
    if (t > 0 && token.grouping != trace.tokens[t - 1].grouping) {
      plot.marks.push_back({static_cast<double>(t), groups_label(trace.groupings[token.grouping].groups)});
    }
    if (!token.quality) continue;
    kl.x.push_back(static_cast<double>(t)), kl.y.push_back(token.quality->kl);
    if (!token.quality->same_top) differs.x.push_back(static_cast<double>(t)), differs.y.push_back(token.quality->kl);
  }
  plot.series = {kl};
  if (!differs.x.empty()) plot.series.push_back(differs);
  return {.id = "quality",
          .title = "KL divergence to the ungrouped model",
          .x_label = "token",
          .y_label = "KL, nats",
          .content = plot};
}

void table(const PanelContext& c) {
  const Trace& trace = c.state.trace;
  std::vector<QualitySums> sums(trace.groupings.size());
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    const TraceToken& token = trace.tokens[t];
    if (token.prompt) continue;
    QualitySums& sum = sums[token.grouping];
    if (t > 0 && !trace.tokens[t - 1].prompt) sum.ms += token.ms, ++sum.timed;
    if (!token.quality) continue;
    ++sum.tokens;
    sum.same += token.quality->same_top ? 1 : 0;
    sum.kl += token.quality->kl;
  }
  if (!ImGui::BeginTable("quality", 5, ImGuiTableFlags_RowBg | ImGuiTableFlags_SizingStretchProp)) return;
  for (const char* title : {"G", "tokens", "KL", "same top", "tok/s"}) ImGui::TableSetupColumn(title);
  ImGui::TableHeadersRow();
  std::size_t shown = 0;
  for (std::size_t i = sums.size(); i-- > 0 && shown < 4;) {
    const QualitySums& sum = sums[i];
    if (sum.tokens == 0) continue;
    ++shown;
    const auto& groups = trace.groupings[i].groups;
    const bool alike = std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; });
    ImGui::TableNextRow();
    ImGui::TableNextColumn();
    ImGui::TextUnformatted(alike ? std::to_string(groups[0]).c_str() : "mixed");
    ImGui::TableNextColumn();
    ImGui::Text("%zu", sum.tokens);
    ImGui::TableNextColumn();
    ImGui::TextUnformatted(short_number(sum.kl / static_cast<double>(sum.tokens)).c_str());
    ImGui::TableNextColumn();
    ImGui::Text("%.0f %%", 100.0 * static_cast<double>(sum.same) / static_cast<double>(sum.tokens));
    ImGui::TableNextColumn();
    ImGui::TextUnformatted(sum.ms > 0 ? fmt::format("{:.1f}", 1000.0 * static_cast<double>(sum.timed) / sum.ms).c_str()
                                      : "");
  }
  ImGui::EndTable();
}

void draw(PanelContext& c) {
  const AppState& s = c.state;
  bool on = s.settings.quality;
  ImGui::BeginDisabled(s.phase == Phase::kReplay);
  if (ImGui::Checkbox("shadow pass", &on)) c.ask(SetQuality{on});
  ImGui::EndDisabled();
  if (ImGui::IsItemHovered())
    ImGui::SetTooltip(
        "Runs the ungrouped model on the same text beside the grouped one: about twice the work per token (K)");
  const bool any = std::any_of(s.trace.tokens.begin(), s.trace.tokens.end(),
                               [](const TraceToken& t) { return t.quality.has_value(); });
  if (!any) {
    empty_panel(c.theme, on ? "Run a prompt, then lower G: the distance to the ungrouped model is drawn here."
                            : "Switch the shadow pass on to see what grouping costs.");
    return;
  }
  constexpr const char* kAgainst = "against the checkpoint's own heads";
  ImGui::SameLine();
  if (ImGui::CalcTextSize(kAgainst).x <= ImGui::GetContentRegionAvail().x) {
    dim_text(c.theme, kAgainst);
  } else {
    ImGui::NewLine();
  }
  const float rows = static_cast<float>(std::min<std::size_t>(4, s.trace.groupings.size())) + 1.0f;
  const float table_height =
      rows * (ImGui::GetTextLineHeight() + ImGui::GetStyle().CellPadding.y * 2) + ImGui::GetStyle().ItemSpacing.y;
  c.show(divergence(s.trace), ImGui::GetContentRegionAvail().y - table_height - ImGui::GetStyle().ItemSpacing.y);
  table(c);
}

}  // namespace

const Panel& quality_panel() {
  static const Panel panel = {"quality", "Quality",
                              "Speed alone says nothing. A second, ungrouped session reads the same tokens, and every "
                              "step shows the KL divergence "
                              "of the two next-token distributions (0 when they are the same) and whether both would "
                              "choose the same token. The "
                              "table puts quality and speed side by side for each G of this run, the latest on top.",
                              draw};
  return panel;
}

}  // namespace regroup::view
