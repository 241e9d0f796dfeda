// Prompt and tokens: what goes in, what comes out, and what else the model would have said.
#include <fmt/format.h>
#include <imgui.h>
#include <imgui_stdlib.h>

#include <algorithm>
#include <utility>

#include "viewer/panel.h"
#include "viewer/run_commands.h"
#include "viewer/token_text.h"

namespace regroup::view {
namespace {

bool button(const char* label, const char* tip, bool enabled) {
  ImGui::BeginDisabled(!enabled);
  const bool clicked = ImGui::Button(label);
  ImGui::EndDisabled();
  if (ImGui::IsItemHovered(ImGuiHoveredFlags_AllowWhenDisabled)) ImGui::SetTooltip("%s", tip);
  return clicked;
}

void sampling_popup(PanelContext& c) {
  if (!ImGui::BeginPopup("sampling")) return;
  SamplingSettings s = c.state.settings.sampling;
  bool changed = false;
  const float em = ImGui::GetFontSize();
  ImGui::PushItemWidth(em * 12);
  changed |= ImGui::SliderFloat("temperature", &s.temperature, 0.0f, 2.0f, s.temperature <= 0 ? "0 (greedy)" : "%.2f");
  int top_k = static_cast<int>(s.top_k);
  if (ImGui::SliderInt("top-k", &top_k, 0, 200, top_k == 0 ? "off" : "%d"))
    s.top_k = static_cast<std::uint32_t>(top_k), changed = true;
  changed |= ImGui::SliderFloat("top-p", &s.top_p, 0.0f, 1.0f, s.top_p >= 1 ? "off" : "%.2f");
  changed |= ImGui::SliderFloat("min-p", &s.min_p, 0.0f, 1.0f, s.min_p <= 0 ? "off" : "%.2f");
  changed |=
      ImGui::SliderFloat("repeat penalty", &s.repeat_penalty, 1.0f, 2.0f, s.repeat_penalty <= 1 ? "off" : "%.2f");
  int seed = static_cast<int>(s.seed);
  if (ImGui::InputInt("seed", &seed)) s.seed = static_cast<std::uint64_t>(seed < 0 ? 0 : seed), changed = true;
  ImGui::SliderInt("tokens per run", &c.ui.run_tokens, 1, 2000, "%d", ImGuiSliderFlags_Logarithmic);
  ImGui::PopItemWidth();
  if (changed) c.ask(SetSampling{s});
  ImGui::EndPopup();
}

void ask_all(PanelContext& c, std::vector<EngineCommand> commands) {
  for (EngineCommand& command : commands) c.ask(std::move(command));
}

void controls(PanelContext& c) {
  const AppState& s = c.state;
  const bool live = s.phase != Phase::kReplay && s.phase != Phase::kEmpty && s.phase != Phase::kLoading;
  const bool running = s.wanted.running.value_or(s.phase == Phase::kRunning || s.phase == Phase::kPrefilling ||
                                                 s.phase == Phase::kMerging);
  const bool has_tokens = !s.trace.tokens.empty();
  if (button(running ? "Pause" : "Run", running ? "Pause (Space)" : "Run (Space)", live)) {
    if (running) {
      c.ask(Pause{});
    } else {
      ask_all(c, run_commands(s, c.ui));
    }
  }
  ImGui::SameLine(0, 4);
  if (button("Back", "Take back one token (Left)", live && has_tokens)) c.ask(StepBack{});
  ImGui::SameLine(0, 4);
  if (button("Step", "One token (Right)", live)) ask_all(c, step_commands(s, c.ui));
  next_to(ImGui::CalcTextSize("Reset").x + ImGui::GetStyle().FramePadding.x * 2, 4);
  if (button("Reset", "Forget the run, keep the prompt (Escape when paused)", live && has_tokens)) c.ask(Reset{});
  const SamplingSettings& sampling = s.settings.sampling;
  const std::string summary = sampling.temperature <= 0
                                  ? std::string("greedy")
                                  : fmt::format("temp {:.2g}, top-p {:.2g}", sampling.temperature, sampling.top_p);
  const auto width_of = [](const std::string& text) {
    return ImGui::CalcTextSize(text.c_str()).x + ImGui::GetStyle().FramePadding.x * 2;
  };
  next_to(width_of(summary), 12);
  if (button(fmt::format("{}###sampling", summary).c_str(), "Sampling, seed and length", live))
    ImGui::OpenPopup("sampling");
  sampling_popup(c);
  if (s.settings.can_chat) {
    next_to(width_of("chat") + ImGui::GetFrameHeight(), 12);
    bool chat = s.settings.chat;
    if (ImGui::Checkbox("chat", &chat)) c.ask(SetPrompt{c.ui.prompt, chat});
    if (ImGui::IsItemHovered()) {
      ImGui::SetTooltip(
          "A conversation in the model's own chat template: Enter says what stands above, Reset begins anew");
    }
  }
}

void footer(const PanelContext& c) {
  const AppState& s = c.state;
  const std::size_t prompt = s.trace.prompt_tokens(), generated = s.trace.tokens.size() - prompt;
  std::string text = fmt::format("{} + {} tokens", prompt, generated);
  if (!s.finished_because.empty()) text += fmt::format(", ended: {}", s.finished_because);
  const auto turns = (s.conversation.size() + 1) / 2;
  if (turns > 0) text += fmt::format(", {} turn{} of a conversation", turns, turns == 1 ? "" : "s");
  dim_text(c.theme, text);
}

void draw(PanelContext& c) {
  const AppState& s = c.state;
  const float line = ImGui::GetTextLineHeightWithSpacing();
  if (c.ui.focus_prompt) {
    ImGui::SetKeyboardFocusHere();
    c.ui.focus_prompt = false;
  }
  const bool committed =
      ImGui::InputTextMultiline("##prompt", &c.ui.prompt, {-1, line * 2.1f + ImGui::GetStyle().FramePadding.y * 2},
                                ImGuiInputTextFlags_CtrlEnterForNewLine | ImGuiInputTextFlags_EnterReturnsTrue);
  if (ImGui::IsItemHovered() && !ImGui::IsItemActive()) {
    ImGui::SetTooltip("%s", s.settings.chat ? "What you say next (P). Enter sends it."
                                            : "The prompt (P). Enter runs it from the start.");
  }
  if (committed) ask_all(c, enter_commands(s, c.ui));
  controls(c);
  ImGui::PushStyleColor(ImGuiCol_ChildBg, c.theme.field);
  // At a large zoom the panel itself scrolls rather than leave a slit for the text.
  const float height = std::max(ImGui::GetContentRegionAvail().y - line, ImGui::GetFontSize() * 4);
  ImGui::BeginChild("text", {0, height}, true);
  if (s.trace.tokens.empty()) {
    empty_panel(c.theme,
                s.phase == Phase::kEmpty
                    ? "Drop a model file here, or press Ctrl+O."
                    : "Press Space to run the prompt. Tokens appear here, tinted where the model was surprised.");
  } else {
    const auto hovered = draw_tokens(c.theme, s.trace);
    const bool follow = s.phase == Phase::kRunning && ImGui::GetScrollY() >= ImGui::GetScrollMaxY() - line * 2;
    if (follow) ImGui::SetScrollHereY(1.0f);
    if (hovered && !ImGui::IsPopupOpen("alternatives")) {
      const TraceToken& token = s.trace.tokens[*hovered];
      ImGui::BeginTooltip();
      ImGui::PushStyleColor(ImGuiCol_Text, c.theme.dim);
      ImGui::Text("token %zu, id %u%s", *hovered, token.id, token.prompt ? ", prompt" : "");
      ImGui::PopStyleColor();
      if (!token.prompt) {
        ImGui::Text("%s  %.1f %%, %.1f ms", visible_text(token.text).c_str(),
                    100.0 * static_cast<double>(token.probability), token.ms);
        draw_alternatives(c.theme, token, false);
        if (s.phase != Phase::kReplay) dim_text(c.theme, "Click to choose another one.");
      } else {
        ImGui::TextUnformatted(visible_text(token.text).c_str());
      }
      ImGui::EndTooltip();
      if (!token.prompt && s.phase != Phase::kReplay && ImGui::IsMouseClicked(0)) {
        c.ui.alternatives_of = *hovered;
        ImGui::OpenPopup("alternatives");
      }
    }
    if (ImGui::BeginPopup("alternatives")) {
      if (c.ui.alternatives_of < s.trace.tokens.size()) {
        dim_text(c.theme, fmt::format("Go back to token {} and go on with", c.ui.alternatives_of));
        if (const auto id = draw_alternatives(c.theme, s.trace.tokens[c.ui.alternatives_of], true)) {
          c.ask(Rewind{c.ui.alternatives_of, *id});
          c.ask(Run{static_cast<std::uint32_t>(c.ui.run_tokens)});
          ImGui::CloseCurrentPopup();
        }
      } else {
        ImGui::CloseCurrentPopup();
      }
      ImGui::EndPopup();
    }
  }
  ImGui::EndChild();
  ImGui::PopStyleColor();
  footer(c);
}

}  // namespace

const Panel& tokens_panel() {
  static const Panel panel = {"tokens", "Prompt and tokens",
                              "The prompt is at the top; below it the text grows token by token. The stronger a "
                              "token's tint, the less probable the "
                              "model found it. Hover over a token for the ten best candidates at that place; click it "
                              "to go back there and go on "
                              "with another one. A coloured bar stands where G changed.",
                              draw};
  return panel;
}

}  // namespace regroup::view
