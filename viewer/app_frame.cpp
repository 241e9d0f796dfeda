// How a frame is built: the bar at the top, panels with their headers and seams, messages, and what lies over them.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>

#include "runtime/core/error.h"
#include "viewer/actions.h"
#include "viewer/app.h"

namespace regroup::view {
namespace {

constexpr ImGuiWindowFlags kFixed = ImGuiWindowFlags_NoTitleBar | ImGuiWindowFlags_NoResize | ImGuiWindowFlags_NoMove |
                                    ImGuiWindowFlags_NoCollapse | ImGuiWindowFlags_NoSavedSettings;

std::string phase_text(const AppState& s) {
  switch (s.phase) {
    case Phase::kEmpty:
      return "no model";
    case Phase::kLoading:
      return "loading";
    case Phase::kReady:
      return "ready";
    case Phase::kPrefilling:
      return "prefill";
    case Phase::kRunning:
      return "running";
    case Phase::kPaused:
      return "paused";
    case Phase::kFinished:
      return "finished";
    case Phase::kMerging:
      return "merging";
    case Phase::kMeasuring:
      return "measuring";
    case Phase::kReplay:
      return "replay";
    case Phase::kLost:
      return "device lost";
  }
  return {};
}

enum class Icon { kHelp, kExport, kEnlarge, kShrink, kClose };

// A small square button with a drawn sign: no font has to have it.
bool icon_button(const char* id, Icon icon, const Theme& theme, const char* tip) {
  const float size = std::round(ImGui::GetFontSize() * 1.25f);
  const ImVec2 at = ImGui::GetCursorScreenPos();
  const bool clicked = ImGui::InvisibleButton(id, {size, size});
  const bool hovered = ImGui::IsItemHovered();
  if (hovered) ImGui::SetTooltip("%s", tip);
  ImDrawList& list = *ImGui::GetWindowDrawList();
  if (hovered) list.AddRectFilled(at, {at.x + size, at.y + size}, with_alpha(theme.accent, 0.25f), 3);
  const ImU32 colour = hovered ? theme.text : theme.dim;
  const float w = std::max(1.2f, size * 0.075f), a = size * 0.3f, b = size * 0.7f, m = size * 0.5f;
  const auto p = [&](float x, float y) { return ImVec2(at.x + x, at.y + y); };
  switch (icon) {
    case Icon::kHelp: {
      const ImVec2 text = ImGui::CalcTextSize("?");
      list.AddText(p(m - text.x / 2, m - text.y / 2), colour, "?");
      break;
    }
    case Icon::kExport:
      list.AddLine(p(m, a), p(m, b), colour, w);
      list.AddLine(p(m, b), p(m - size * 0.15f, b - size * 0.15f), colour, w);
      list.AddLine(p(m, b), p(m + size * 0.15f, b - size * 0.15f), colour, w);
      list.AddLine(p(a, size * 0.8f), p(b, size * 0.8f), colour, w);
      break;
    case Icon::kEnlarge:
      list.AddRect(p(a, a), p(b, b), colour, 0, 0, w);
      break;
    case Icon::kShrink:
      list.AddRect(p(a, m), p(m, b), colour, 0, 0, w);
      list.AddLine(p(m, m), p(b, a), colour, w);
      break;
    case Icon::kClose:
      list.AddLine(p(a, a), p(b, b), colour, w);
      list.AddLine(p(a, b), p(b, a), colour, w);
      break;
  }
  return clicked;
}

}  // namespace

void App::build() {
  // The engine appends under this lock; it never holds it for longer than that.
  const std::lock_guard lock(shared_.mutex);
  const AppState& s = shared_.state;
  if (shown_prompt_ != s.settings.prompt) {
    shown_prompt_ = s.settings.prompt;
    if (!s.settings.chat) ui_.prompt = shown_prompt_;  // in a conversation the field is for what is said next
  }
  ui_.drawn.clear();
  const ImVec2 size = ImGui::GetIO().DisplaySize;
  const float bar = std::round(ImGui::GetFontSize() * 2.5f), gap = std::round(ImGui::GetFontSize() * 0.5f);
  draw_top_bar(bar);
  draw_panels({{gap, bar + gap}, {size.x - gap, size.y - gap}});
  draw_message({{0, bar}, size});
  if (const auto chosen = dialog_.draw(theme_)) chosen_path_ = *chosen;
  if (shortcuts_open_) draw_shortcuts();
  if (palette_open_) draw_palette();
  keep_attention_watched();
}

void App::draw_top_bar(float height) {
  const AppState& s = shared_.state;
  const float em = ImGui::GetFontSize();
  ImGui::SetNextWindowPos({0, 0});
  ImGui::SetNextWindowSize({ImGui::GetIO().DisplaySize.x, height});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, {em * 0.8f, (height - ImGui::GetFrameHeight()) / 2});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowRounding, 0.0f);
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0f);
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme_.header);
  ImGui::Begin("top bar", nullptr, kFixed | ImGuiWindowFlags_NoScrollbar);
  ImGui::PopStyleVar(3);
  ImGui::AlignTextToFramePadding();
  ImGui::PushFont(theme_.bold);
  ImGui::TextUnformatted("regroup");
  ImGui::PopFont();
  ImGui::SameLine(0, em * 1.2f);
  if (ImGui::Button("Open")) open_file_dialog();
  if (ImGui::IsItemHovered())
    ImGui::SetTooltip("Open a model or a trace (Ctrl O); files can be dropped on the window too");
  ImGui::SameLine(0, em * 0.8f);
  const TraceModel& m = s.trace.model;
  if (m.layers > 0) {
    // The state and the buttons at the right come first where there is little room.
    if (ImGui::CalcTextSize(m.name.c_str()).x + em * 20 < ImGui::GetContentRegionAvail().x) {
      ImGui::TextUnformatted(m.name.c_str());
    } else {
      ImGui::Dummy({0, 0});
    }
    const std::string facts = fmt::format("{:.1f} M parameters, {} layers, {} query heads",
                                          static_cast<double>(m.parameters) / 1e6, m.layers, m.query_heads);
    ImGui::SameLine(0, em * 0.8f);
    if (ImGui::CalcTextSize(facts.c_str()).x + em * 26 < ImGui::GetContentRegionAvail().x) {
      ImGui::TextDisabled("%s", facts.c_str());
    } else {
      ImGui::Dummy({0, 0});
    }
  } else {
    ImGui::TextDisabled("no model is open");
  }
  ImGui::SameLine(0, em * 1.2f);
  const bool moving = s.phase == Phase::kRunning || s.phase == Phase::kPrefilling || s.phase == Phase::kMerging ||
                      s.phase == Phase::kMeasuring;
  ImGui::PushStyleColor(ImGuiCol_Text, s.phase == Phase::kLost ? theme_.bad : moving ? theme_.good : theme_.dim);
  ImGui::TextUnformatted(phase_text(s).c_str());
  ImGui::PopStyleColor();
  if (!s.activity.empty()) {
    ImGui::SameLine(0, em);
    ImGui::ProgressBar(static_cast<float>(s.progress), {em * 14, 0}, s.activity.c_str());
    ImGui::SameLine(0, 4);
    if (ImGui::Button("Cancel")) asked_.emplace_back(EngineCommand(Stop{}));
  }
  const auto width_of = [](const char* label) {
    return ImGui::CalcTextSize(label).x + ImGui::GetStyle().FramePadding.x * 2;
  };
  const float right = width_of("Panels") + width_of("Theme") + width_of("Keys") + em * 1.6f;
  ImGui::SameLine(std::max(ImGui::GetCursorPosX(), ImGui::GetWindowWidth() - right));
  if (ImGui::Button("Panels")) ImGui::OpenPopup("panels");
  if (ImGui::BeginPopup("panels")) {
    for (const Panel* panel : all_panels()) {
      auto* cell = preferences_.layout.find(panel->id);
      if (cell == nullptr) continue;
      bool visible = cell->visible;
      if (ImGui::Checkbox(std::string(panel->title).c_str(), &visible))
        asked_.emplace_back(ShowPanel{std::string(panel->id), visible});
    }
    ImGui::Separator();
    for (const std::string& preset : preset_names()) {
      if (ImGui::Selectable(fmt::format("layout: {}", preset).c_str())) asked_.emplace_back(SetPreset{preset});
    }
    ImGui::EndPopup();
  }
  ImGui::SameLine(0, 4);
  if (ImGui::Button("Theme")) ImGui::OpenPopup("theme");
  if (ImGui::BeginPopup("theme")) {
    for (const ThemeName theme : {ThemeName::kDark, ThemeName::kLight, ThemeName::kHighContrast}) {
      if (ImGui::Selectable(std::string(theme_name(theme)).c_str(), theme == preferences_.theme))
        asked_.emplace_back(SetTheme{theme});
    }
    ImGui::EndPopup();
  }
  ImGui::SameLine(0, 4);
  if (ImGui::Button("Keys")) shortcuts_open_ = !shortcuts_open_;
  if (ImGui::IsItemHovered()) ImGui::SetTooltip("All keys (F1)");
  ImGui::End();
  ImGui::PopStyleColor();
}

void App::draw_panels(Rect area) {
  const Arrangement arrangement =
      arrange(preferences_.layout, enlarged_, area, std::round(ImGui::GetFontSize() * 0.5f), ImGui::GetFontSize() * 12);
  draw_seams(arrangement, area);
  if (!ImGui::IsAnyItemActive()) hovered_panel_.clear();
  for (const Placed& placed : arrangement.panels) {
    if (const Panel* panel = find_panel(placed.panel)) draw_panel(*panel, placed.area);
  }
}

// A window each, no larger than the seam: one around all panels would lie before them and take the mouse from them.
void App::draw_seams(const Arrangement& arrangement, Rect area) {
  ImGui::PushStyleVar(ImGuiStyleVar_WindowPadding, {0, 0});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowMinSize, {1, 1});
  ImGui::PushStyleVar(ImGuiStyleVar_WindowBorderSize, 0.0f);
  for (std::size_t i = 0; i < arrangement.seams.size(); ++i) {
    const Seam& seam = arrangement.seams[i];
    const ImVec2 size(std::max(1.0f, seam.area.width()), std::max(1.0f, seam.area.height()));
    ImGui::SetNextWindowPos(seam.area.min);
    ImGui::SetNextWindowSize(size);
    ImGui::Begin(fmt::format("seam {}", i).c_str(), nullptr,
                 kFixed | ImGuiWindowFlags_NoBackground | ImGuiWindowFlags_NoBringToFrontOnFocus |
                     ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoNav);
    ImGui::InvisibleButton("seam", size);
    if (ImGui::IsItemHovered() || ImGui::IsItemActive()) {
      ImGui::SetMouseCursor(seam.between_columns ? ImGuiMouseCursor_ResizeEW : ImGuiMouseCursor_ResizeNS);
      ImGui::GetWindowDrawList()->AddRectFilled(seam.area.min, seam.area.max, with_alpha(theme_.accent, 0.5f), 3);
    }
    if (ImGui::IsItemActive()) {
      const ImVec2 moved = ImGui::GetIO().MouseDelta;
      move_seam(preferences_.layout, seam, seam.between_columns ? moved.x : moved.y, area);
    }
    ImGui::End();
  }
  ImGui::PopStyleVar(3);
}

void App::draw_panel(const Panel& panel, Rect area) {
  const std::string id(panel.id);
  const float em = ImGui::GetFontSize();
  ImGui::SetNextWindowPos(area.min);
  ImGui::SetNextWindowSize({std::max(area.width(), 10.0f), std::max(area.height(), 10.0f)});
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme_.panel);
  // Never in front of messages and sheets, whichever is clicked.
  ImGui::Begin(id.c_str(), nullptr,
               kFixed | ImGuiWindowFlags_NoScrollbar | ImGuiWindowFlags_NoScrollWithMouse |
                   ImGuiWindowFlags_NoBringToFrontOnFocus);
  if (ImGui::IsWindowHovered(ImGuiHoveredFlags_ChildWindows | ImGuiHoveredFlags_AllowWhenBlockedByActiveItem))
    hovered_panel_ = id;
  ImGui::PushFont(theme_.bold);
  ImGui::TextUnformatted(panel.title.data(), panel.title.data() + panel.title.size());
  ImGui::PopFont();
  const float icon = std::round(em * 1.25f) + 2;
  // A narrow panel keeps the two that make it larger or take it away.
  const bool all_icons = ImGui::GetItemRectSize().x + icon * 4.5f < ImGui::GetContentRegionAvail().x;
  ImGui::SameLine(ImGui::GetWindowWidth() - ImGui::GetStyle().WindowPadding.x - icon * (all_icons ? 4.0f : 2.0f));
  ImGui::PushStyleVar(ImGuiStyleVar_ItemSpacing, {2, ImGui::GetStyle().ItemSpacing.y});
  if (all_icons) {
    if (icon_button("help", Icon::kHelp, theme_, "What this panel shows")) {
      help_of_ = help_of_ == id ? std::string() : id;
    }
    ImGui::SameLine();
    if (icon_button("export", Icon::kExport, theme_, "Save a plot of this panel")) ImGui::OpenPopup("export");
    ImGui::SameLine();
  }
  const bool large = enlarged_ == id;
  if (icon_button("enlarge", large ? Icon::kShrink : Icon::kEnlarge, theme_,
                  large ? "All panels again (F)" : "Enlarge (F)")) {
    asked_.emplace_back(EnlargePanel{large ? std::string() : id});
  }
  ImGui::SameLine();
  if (icon_button("hide", Icon::kClose, theme_, "Hide (the menu Panels brings it back)"))
    asked_.emplace_back(ShowPanel{id, false});
  ImGui::PopStyleVar();
  const ImVec2 line = ImGui::GetCursorScreenPos();
  ImGui::GetWindowDrawList()->AddLine({area.min.x + 1, line.y - 2}, {area.max.x - 1, line.y - 2}, theme_.grid);
  ImGui::Dummy({1, 1});
  if (help_of_ == id) {
    ImGui::PushStyleColor(ImGuiCol_ChildBg, with_alpha(theme_.accent, 0.12f));
    const float wrap = ImGui::GetContentRegionAvail().x - em;
    const ImVec2 size = ImGui::CalcTextSize(panel.help.data(), panel.help.data() + panel.help.size(), false, wrap);
    ImGui::BeginChild("help", {0, std::min(size.y + em, ImGui::GetContentRegionAvail().y * 0.6f)}, true);
    ImGui::PushTextWrapPos(0);
    ImGui::TextUnformatted(panel.help.data(), panel.help.data() + panel.help.size());
    ImGui::PopTextWrapPos();
    ImGui::EndChild();
    ImGui::PopStyleColor();
  }
  ImGui::BeginChild("body", {0, 0}, false);
  PanelContext context{.state = shared_.state, .ui = ui_, .theme = theme_, .asked = asked_, .panel = panel.id};
  panel.draw(context);
  ImGui::EndChild();
  if (ImGui::BeginPopup("export")) {
    const auto figures = ui_.drawn.find(id);
    if (figures == ui_.drawn.end()) ImGui::TextDisabled("nothing is plotted yet");
    for (std::size_t i = 0; figures != ui_.drawn.end() && i < figures->second.size(); ++i) {
      const Figure& figure = figures->second[i].figure;
      ImGui::PushID(static_cast<int>(i));
      ImGui::TextUnformatted(figure.title.empty() ? figure.id.c_str() : figure.title.c_str());
      constexpr std::pair<const char*, ExportFormat> kFormats[] = {
          {"SVG", ExportFormat::kSvg}, {"PNG", ExportFormat::kPng}, {"CSV", ExportFormat::kCsv}};
      for (const auto& [label, format] : kFormats) {
        if (ImGui::Button(label)) {
          asked_.emplace_back(ExportFigure{id, figure.id, format, {}});
          ImGui::CloseCurrentPopup();
        }
        ImGui::SameLine();
      }
      if (ImGui::Button("Copy CSV")) {
        ImGui::SetClipboardText(figure_to_csv(figure).c_str());
        ImGui::CloseCurrentPopup();
      }
      ImGui::PopID();
    }
    ImGui::EndPopup();
  }
  ImGui::End();
  ImGui::PopStyleColor();
}

void App::draw_message(Rect area) {
  const AppState& s = shared_.state;
  if (s.message.empty()) return;
  const float em = ImGui::GetFontSize();
  const float width = std::min(area.width() * 0.7f, em * 56);
  ImGui::SetNextWindowPos({area.max.x / 2, area.max.y - em * 0.9f}, ImGuiCond_Always, {0.5f, 1.0f});
  ImGui::SetNextWindowSize({width, 0});
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme_.header);
  ImGui::PushStyleColor(ImGuiCol_Border, s.message_is_error ? theme_.bad : theme_.good);
  ImGui::Begin("message", nullptr, kFixed | ImGuiWindowFlags_NoFocusOnAppearing | ImGuiWindowFlags_AlwaysAutoResize);
  if (icon_button("dismiss", Icon::kClose, theme_, "Dismiss (Escape)")) asked_.emplace_back(DismissMessage{});
  ImGui::SameLine();
  ImGui::PushTextWrapPos(width - em);
  ImGui::TextUnformatted(s.message.c_str());
  ImGui::PopTextWrapPos();
  ImGui::End();
  ImGui::PopStyleColor(2);
}

void App::draw_shortcuts() {
  const float em = ImGui::GetFontSize();
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos({screen.x / 2, screen.y / 2}, ImGuiCond_Always, {0.5f, 0.5f});
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme_.header);
  ImGui::SetNextWindowFocus();
  ImGui::Begin("Keys", nullptr, kFixed | ImGuiWindowFlags_AlwaysAutoResize);
  ImGui::PushFont(theme_.bold);
  ImGui::TextUnformatted("Keys");
  ImGui::PopFont();
  ImGui::Separator();
  for (const Action& action : actions()) {
    if (action.title.empty()) continue;
    ImGui::PushFont(theme_.mono);
    ImGui::PushStyleColor(ImGuiCol_Text, theme_.accent);
    ImGui::TextUnformatted(action.shown_keys.data(), action.shown_keys.data() + action.shown_keys.size());
    ImGui::PopStyleColor();
    ImGui::PopFont();
    ImGui::SameLine(em * 10);
    ImGui::TextUnformatted(action.title.data(), action.title.data() + action.title.size());
  }
  dim_text(theme_, "Tab and arrows walk through everything.  F1 or Escape closes.");
  ImGui::End();
  ImGui::PopStyleColor();
}

void App::draw_palette() {
  const float em = ImGui::GetFontSize();
  const ImVec2 screen = ImGui::GetIO().DisplaySize;
  ImGui::SetNextWindowPos({screen.x / 2, em * 4}, ImGuiCond_Always, {0.5f, 0.0f});
  ImGui::SetNextWindowSize({em * 34, 0});
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme_.header);
  ImGui::Begin("palette", nullptr, kFixed | ImGuiWindowFlags_AlwaysAutoResize);
  if (palette_fresh_) ImGui::SetKeyboardFocusHere();
  palette_fresh_ = false;
  ImGui::SetNextItemWidth(-1);
  const bool entered =
      ImGui::InputTextWithHint("##filter", "an action", &palette_filter_, ImGuiInputTextFlags_EnterReturnsTrue);
  const auto lower = [](std::string text) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
  };
  const Action* chosen = nullptr;
  for (const Action& action : actions()) {
    if (action.title.empty() || lower(std::string(action.title)).find(lower(palette_filter_)) == std::string::npos)
      continue;
    if (entered && chosen == nullptr) chosen = &action;
    if (ImGui::Selectable(std::string(action.title).c_str())) chosen = &action;
    ImGui::SameLine(em * 26);
    ImGui::TextDisabled("%s", std::string(action.shown_keys).c_str());
  }
  ImGui::End();
  ImGui::PopStyleColor();
  if (chosen != nullptr) {
    palette_open_ = false;
    deferred_ = chosen;
  }
}

}  // namespace regroup::view
