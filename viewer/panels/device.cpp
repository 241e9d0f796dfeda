// What everything runs on: device, memory, features in use, times per kernel, warnings.
#include <fmt/format.h>
#include <imgui.h>

#include "runtime/decode/memory_plan.h"
#include "viewer/panel.h"

namespace regroup::view {
namespace {

void features(const PanelContext& c) {
  const float em = ImGui::GetFontSize();
  ImGui::PushFont(c.theme.small);
  bool first = true;
  for (const auto& [name, used] : c.state.device.features) {
    const std::string text = used ? name : name + " off";
    const float width = ImGui::CalcTextSize(text.c_str()).x + em * 0.7f;
    if (!first) {
      ImGui::SameLine(0, 4);
      if (ImGui::GetContentRegionAvail().x < width) ImGui::NewLine();
    }
    first = false;
    const ImVec2 at = ImGui::GetCursorScreenPos();
    const float height = ImGui::GetFontSize() * 1.4f;
    const ImU32 colour = used ? c.theme.good : c.theme.ghost;
    ImGui::GetWindowDrawList()->AddRectFilled(at, {at.x + width, at.y + height}, with_alpha(colour, 0.18f), height / 2);
    ImGui::GetWindowDrawList()->AddText({at.x + em * 0.35f, at.y + ImGui::GetFontSize() * 0.2f},
                                        used ? c.theme.text : c.theme.dim, text.c_str());
    ImGui::Dummy({width, height});
  }
  ImGui::PopFont();
}

void draw(PanelContext& c) {
  const DeviceFacts& d = c.state.device;
  if (d.name.empty()) {
    empty_panel(c.theme, "No device is in use.");
    return;
  }
  ImGui::PushTextWrapPos(0);
  ImGui::TextUnformatted(d.name.c_str());
  ImGui::PopTextWrapPos();
  dim_text(c.theme, d.type.empty() ? d.driver : fmt::format("{}, {}", d.driver, d.type));
  const float x = ImGui::GetFontSize() * 5.2f;
  fact(c.theme, "kernels", d.kernels, x);
  if (d.allocated_bytes > 0)
    fact(c.theme, "memory", fmt::format("{} of {}", human_bytes(d.allocated_bytes), human_bytes(d.memory_bytes)), x);
  if (c.state.trace.model.weights_bytes > 0)
    fact(c.theme, "weights", human_bytes(c.state.trace.model.weights_bytes), x);
  if (d.bytes_per_second > 0) fact(c.theme, "copy", fmt::format("{:.1f} GB/s", d.bytes_per_second / 1e9), x);
  const auto durations = [&](const char* label, const Durations& times, const char* tip) {
    if (times.count() == 0) return;
    fact(c.theme, label,
         fmt::format("{:.0f} / {:.0f} / {:.0f} ms", times.percentile(0.5), times.percentile(0.99), times.largest()), x);
    if (ImGui::IsItemHovered()) ImGui::SetTooltip("%s: median, 99th percentile, largest", tip);
  };
  durations("frames", c.ui.frames, "Building and drawing one frame of this window");
  durations("input", c.ui.input, "From a key or a click to the end of the frame that shows what came of it");
  if (d.rebuilt > 0) fact(c.theme, "rebuilt", fmt::format("{} times", d.rebuilt), x);
  features(c);
  for (const std::string& warning : c.state.warnings) {
    ImGui::PushStyleColor(ImGuiCol_Text, c.theme.bad);
    ImGui::PushTextWrapPos(0);
    ImGui::TextUnformatted(warning.c_str());
    ImGui::PopTextWrapPos();
    ImGui::PopStyleColor();
  }
  if (c.state.kernel_times.empty()) return;
  ImGui::PushFont(c.theme.small);
  if (ImGui::BeginTable("kernels", 3, ImGuiTableFlags_RowBg | ImGuiTableFlags_ScrollY,
                        {0, ImGui::GetContentRegionAvail().y})) {
    ImGui::TableSetupScrollFreeze(0, 1);
    ImGui::TableSetupColumn("kernel (last token)", ImGuiTableColumnFlags_WidthStretch);
    ImGui::TableSetupColumn("n", ImGuiTableColumnFlags_WidthFixed);
    ImGui::TableSetupColumn("ms", ImGuiTableColumnFlags_WidthFixed);
    ImGui::TableHeadersRow();
    for (const KernelTime& kernel : c.state.kernel_times) {
      ImGui::TableNextRow();
      ImGui::TableNextColumn();
      ImGui::TextUnformatted(kernel.name.c_str());
      ImGui::TableNextColumn();
      ImGui::Text("%u", kernel.dispatches);
      ImGui::TableNextColumn();
      ImGui::Text("%.2f", kernel.ms);
    }
    ImGui::EndTable();
  }
  ImGui::PopFont();
}

}  // namespace

const Panel& device_panel() {
  static const Panel panel = {"device", "Device",
                              "The Vulkan device that both the model and this window run on, the family of kernels "
                              "chosen for it, and which of its "
                              "optional features are in use. The table lists the kernels of the last token by the "
                              "device's own timestamps. Frame "
                              "times are this window's own: building and drawing one picture.",
                              draw};
  return panel;
}

}  // namespace regroup::view
