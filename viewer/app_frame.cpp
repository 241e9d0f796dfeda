// How a frame is built: the bar at the top, panels with their headers and seams, messages, and what lies over them.
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <cmath>
#include <numbers>

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

float icon_size() {
  return std::round(ImGui::GetFontSize() * 1.25f);
}

// A small square button with a drawn sign: no font has to have it.
bool icon_button(const char* id, Icon icon, const Theme& theme, const char* tip) {
  const float size = icon_size();
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
  const float message = message_height(size.x - 2 * gap);
  const float end = size.y - gap - (message > 0 ? message + gap : 0);
  draw_panels({{gap, bar + gap}, {size.x - gap, end}});
  draw_message({{gap, end + gap}, {size.x - gap, size.y - gap}});
  if (auto chosen = dialog_.draw(theme_)) chosen_path_ = std::move(chosen);
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
  draw_ground(arrangement, area);
  draw_seams(arrangement, area);
  if (!ImGui::IsAnyItemActive()) hovered_panel_.clear();
  for (const Placed& placed : arrangement.panels) {
    if (const Panel* panel = find_panel(placed.panel)) draw_panel(*panel, placed.area);
  }
}

// A frame begins in the colour of the panels, which costs nothing; what lies between them is painted, as it is far less
// than they are: a CPU driver takes its time for every pixel that is filled.
void App::draw_ground(const Arrangement& arrangement, Rect area) {
  ImDrawList& list = *ImGui::GetBackgroundDrawList();
  const ImVec2 size = ImGui::GetIO().DisplaySize;
  const auto fill = [&](ImVec2 min, ImVec2 max) { list.AddRectFilled(min, max, theme_.window); };
  if (arrangement.panels.empty()) return fill({0, 0}, size);
  fill({0, 0}, {size.x, area.min.y});
  fill({0, area.max.y}, size);
  fill({0, area.min.y}, {area.min.x, area.max.y});
  fill({area.max.x, area.min.y}, {size.x, area.max.y});
  for (const Seam& seam : arrangement.seams) fill(seam.area.min, seam.area.max);
  const float radius = ImGui::GetStyle().WindowRounding;
  for (const Placed& placed : arrangement.panels) {
    const Rect& p = placed.area;
    // What a round corner leaves of its square.
    for (int corner = 0; corner < 4; ++corner) {
      const bool right = corner == 1 || corner == 2, below = corner >= 2;
      const ImVec2 tip(right ? p.max.x : p.min.x, below ? p.max.y : p.min.y);
      const ImVec2 centre(tip.x + (right ? -radius : radius), tip.y + (below ? -radius : radius));
      constexpr int kPieces = 5;
      const auto arc = [&](int piece) {
        const float angle =
            (static_cast<float>(corner) + 2 + static_cast<float>(piece) / kPieces) * std::numbers::pi_v<float> / 2;
        return ImVec2(centre.x + radius * std::cos(angle), centre.y + radius * std::sin(angle));
      };
      for (int piece = 0; piece < kPieces; ++piece)
        list.AddTriangleFilled(tip, arc(piece), arc(piece + 1), theme_.window);
    }
    list.AddRect(p.min, p.max, theme_.border, radius);
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
  // Never in front of messages and sheets, whichever is clicked.
  ImGui::Begin(id.c_str(), nullptr,
               kFixed | ImGuiWindowFlags_NoBackground | ImGuiWindowFlags_NoScrollbar |
                   ImGuiWindowFlags_NoScrollWithMouse | ImGuiWindowFlags_NoBringToFrontOnFocus);
  if (ImGui::IsWindowHovered(ImGuiHoveredFlags_ChildWindows | ImGuiHoveredFlags_AllowWhenBlockedByActiveItem))
    hovered_panel_ = id;
  ImGui::PushFont(theme_.bold);
  ImGui::TextUnformatted(panel.title.data(), panel.title.data() + panel.title.size());
  ImGui::PopFont();
  const float icon = icon_size() + 2;
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
}

// What the message takes below the panels; 0: there is none. A long one ends in a scrollbar.
float App::message_height(float width) const {
  const std::string& message = shared_.state.message;
  if (message.empty()) return 0;
  const float em = ImGui::GetFontSize(), padding = ImGui::GetStyle().WindowPadding.y;
  const float wrap = std::max(width - 2 * ImGui::GetStyle().WindowPadding.x - icon_size() - em, em);
  const float text = ImGui::CalcTextSize(message.c_str(), nullptr, false, wrap).y;
  return std::min(std::max(text, icon_size()), ImGui::GetIO().DisplaySize.y * 0.3f) + 2 * padding;
}

void App::draw_message(Rect area) {
  const AppState& s = shared_.state;
  if (s.message.empty()) return;
  const float em = ImGui::GetFontSize();
  ImGui::SetNextWindowPos(area.min);
  ImGui::SetNextWindowSize({area.width(), area.height()});
  ImGui::PushStyleColor(ImGuiCol_WindowBg, theme_.header);
  ImGui::PushStyleColor(ImGuiCol_Border, s.failure ? theme_.bad : theme_.good);
  ImGui::Begin("message", nullptr, kFixed | ImGuiWindowFlags_NoFocusOnAppearing);
  const float line = ImGui::GetTextLineHeight(), top = ImGui::GetCursorPosY();
  const float wrap = ImGui::GetWindowContentRegionMax().x - icon_size() - em;
  const bool one_line = ImGui::CalcTextSize(s.message.c_str(), nullptr, false, wrap).y < line * 1.5f;
  if (one_line) ImGui::SetCursorPosY(top + std::round((icon_size() - line) / 2));
  ImGui::PushTextWrapPos(wrap);
  ImGui::TextUnformatted(s.message.c_str());
  ImGui::PopTextWrapPos();
  ImGui::SameLine(ImGui::GetWindowContentRegionMax().x - icon_size());
  ImGui::SetCursorPosY(top);
  if (icon_button("dismiss", Icon::kClose, theme_, "Dismiss (Escape)")) asked_.emplace_back(DismissMessage{});
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
