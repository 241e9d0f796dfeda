// What the KV cache takes, layer by layer and group by group, to scale and to the byte.
#include <fmt/format.h>
#include <imgui.h>

#include "runtime/decode/memory_plan.h"
#include "viewer/panel.h"

namespace regroup::view {
namespace {

Figure bars(const AppState& s) {
  BarPlot plot{.part_name = "group", .ghost_name = "multi-head attention", .bytes = true};
  const double positions = s.trace.positions;
  const double filled = positions > 0 ? static_cast<double>(s.position()) / positions : 0;
  for (std::size_t l = 0; l < s.memory.layer_per_token.size() && l < s.settings.groups.size(); ++l) {
    Bar bar{.label = std::to_string(l)};
    const std::uint32_t groups = s.settings.groups[l];
    const double part = static_cast<double>(s.memory.layer_per_token[l]) * positions / groups;
    for (std::uint32_t g = 0; g < groups; ++g) bar.parts.push_back({part, filled, g});
    bar.ghost = static_cast<double>(s.memory.mha_layer_per_token[l]) * positions;
    plot.bars.push_back(std::move(bar));
  }
  return {.id = "kv-memory",
          .title = "KV cache by layer and group",
          .x_label = "layer",
          .y_label = "allocated",
          .content = plot};
}

void draw(PanelContext& c) {
  const AppState& s = c.state;
  const MemoryFacts& m = s.memory;
  if (m.layer_per_token.empty()) {
    empty_panel(c.theme, "The cache of an open model is drawn here to scale.");
    return;
  }
  const float line = ImGui::GetTextLineHeightWithSpacing();
  // Bars come first: where there is little room, as at a large zoom, the rest of the numbers is a scroll away.
  const float room = ImGui::GetContentRegionAvail().y;
  const float facts = line * (room > line * 14 ? 6.2f : 3.2f);
  c.show(bars(s), std::max(room - facts, line * 7));
  const float x = ImGui::GetFontSize() * 5.6f;
  const bool wide = ImGui::GetContentRegionAvail().x > ImGui::GetFontSize() * 26;
  const auto bytes = [&](std::uint64_t value) {
    const std::string exact = fmt::format("{:>13} B", grouped_digits(value));
    return wide ? fmt::format("{}  {:>10}", exact, human_bytes(value)) : exact;
  };
  fact(c.theme, "allocated", bytes(m.kv_allocated), x);
  fact(c.theme, "used", bytes(m.kv_per_token * s.position()), x);
  const std::uint64_t mha = m.mha_per_token * s.trace.positions;
  fact(c.theme, "as MHA", bytes(mha), x);
  if (ImGui::IsItemHovered())
    ImGui::SetTooltip("What multi-head attention would take: one key/value head per query head (the outlines above)");
  fact(c.theme, "per token",
       fmt::format("{}  {:.1f} %", bytes(m.kv_per_token),
                   m.mha_per_token > 0
                       ? 100.0 * static_cast<double>(m.kv_per_token) / static_cast<double>(m.mha_per_token)
                       : 0.0),
       x);
  fact(c.theme, "context",
       fmt::format("{:>13} of {}{}", grouped_digits(s.position()), grouped_digits(s.trace.positions),
                   wide ? " positions" : ""),
       x);
  if (m.longest_context > 0) {
    fact(c.theme, "would fit",
         fmt::format("{:>13} positions{}", grouped_digits(m.longest_context), wide ? " in free memory" : ""), x);
  }
}

}  // namespace

const Panel& memory_panel() {
  static const Panel panel = {"memory", "KV memory",
                              "Every bar is one layer's key/value cache, cut into its groups, to scale; the solid part "
                              "is filled by the positions "
                              "used so far. The outline behind is what multi-head attention would need. The numbers "
                              "are exact: allocated equals "
                              "kv_bytes of `regroup run --json`, per token equals `regroup info`.",
                              draw};
  return panel;
}

}  // namespace regroup::view
