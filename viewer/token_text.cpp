#include "viewer/token_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "plot/canvas.h"

namespace regroup::view {

using plot::Rect;

namespace {

// A piece of a token within one line.
struct LineRun {
  std::string_view text;
  bool ends_line = false;
};

// The token's text cut at line ends.
std::vector<LineRun> runs_of(const std::string& text) {
  std::vector<LineRun> runs;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) {
      if (begin < text.size() || runs.empty()) runs.push_back({std::string_view(text).substr(begin), false});
      return runs;
    }
    runs.push_back({std::string_view(text).substr(begin, end - begin), true});
    begin = end + 1;
  }
}

bool begins_word(const std::string& text) {
  return !text.empty() && (text[0] == ' ' || text[0] == '\n');
}

// From token t to the end of its word, or until it is wider than a line anyway.
float word_width(const std::vector<TraceToken>& tokens, std::size_t t, float most) {
  float width = 0;
  for (std::size_t i = t; i < tokens.size() && width <= most; ++i) {
    const std::string& text = tokens[i].text;
    if (i > t && begins_word(text)) break;
    const std::size_t end = text.find('\n', i == t ? 1 : 0);
    width += ImGui::CalcTextSize(text.data(), text.data() + std::min(end, text.size())).x;
    if (end != std::string::npos) break;
  }
  return width;
}

ImU32 tint(const Theme& theme, float probability) {
  // The less the model expected it, the stronger: nothing at all for what it was sure of.
  const float surprise = std::clamp(-std::log10(std::max(probability, 1e-4f)) / 2.5f, 0.0f, 1.0f);
  return with_alpha(theme.series[1], surprise * (theme.name == ThemeName::kLight ? 0.50f : 0.55f));
}

}  // namespace

std::string visible_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += "\u2423";
    } else if (c == '\n') {
      out += "\u21b5";
    } else if (c == '\t') {
      out += "\u2192";
    } else if (static_cast<unsigned char>(c) >= 0x20) {
      out += c;
    } else {
      out += fmt::format("<{:02x}>", static_cast<unsigned char>(c));
    }
  }
  return out.empty() ? "\u2423" : out;
}

std::optional<std::size_t> draw_tokens(const Theme& theme, const Trace& trace,
                                       std::optional<std::size_t> first_difference) {
  std::optional<std::size_t> hovered;
  ImDrawList& list = *ImGui::GetWindowDrawList();
  const ImVec2 corner = ImGui::GetCursorScreenPos();
  const float width = ImGui::GetContentRegionAvail().x;
  const float height = std::round(ImGui::GetFontSize() * 1.45f);
  const float pad = std::round((height - ImGui::GetFontSize()) / 2);
  const ImVec2 mouse = ImGui::GetMousePos();
  const bool window_hovered = ImGui::IsWindowHovered();
  const float top = ImGui::GetWindowPos().y, bottom = top + ImGui::GetWindowSize().y;
  float x = 0, y = 0;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    const TraceToken& token = trace.tokens[t];
    // A word stays on one line even where it is several tokens.
    if (x > 0 && begins_word(token.text) && x + word_width(trace.tokens, t, width) > width) x = 0, y += height;
    for (const LineRun& run : runs_of(token.text)) {
      const char* begin = run.text.data();
      const char* end = begin + run.text.size();
      if (x == 0 && begin != end && *begin == ' ') ++begin;  // the blank before the word stays behind
      const float text_width = begin == end ? (run.ends_line ? 0.0f : 3.0f) : ImGui::CalcTextSize(begin, end).x;
      if (x > 0 && x + text_width > width) x = 0, y += height;
      const Rect box{{corner.x + x, corner.y + y}, {corner.x + x + std::max(text_width, 3.0f), corner.y + y + height}};
      if (box.max.y > top && box.min.y < bottom) {
        const bool over = window_hovered && box.contains(mouse);
        if (over) hovered = t;
        const Rect back{{box.min.x, box.min.y + 1}, {box.max.x, box.max.y - 1}};
        if (!token.prompt) list.AddRectFilled(back.min, back.max, tint(theme, token.probability), 2);
        if (first_difference && t >= *first_difference) {
          list.AddLine({back.min.x, back.max.y}, {back.max.x, back.max.y}, theme.bad,
                       t == *first_difference ? 2.5f : 1.0f);
        }
        if (over) list.AddRect(back.min, back.max, theme.accent, 2);
        list.AddText({box.min.x, box.min.y + pad}, token.prompt ? theme.dim : theme.text, begin, end);
        // A change of G stands in the text where it happened.
        const bool regrouped =
            t > 0 && run.text.data() == token.text.data() && token.grouping != trace.tokens[t - 1].grouping;
        if (regrouped) list.AddRectFilled({box.min.x - 1, box.min.y}, {box.min.x + 1, box.max.y}, theme.accent);
      }
      x += text_width;
      if (run.ends_line) x = 0, y += height;
    }
  }
  ImGui::Dummy({width, y + height});
  return hovered;
}

std::optional<std::uint32_t> draw_alternatives(const Theme& theme, const TraceToken& token, bool clickable) {
  std::optional<std::uint32_t> clicked;
  const float em = ImGui::GetFontSize();
  for (std::size_t i = 0; i < token.alternatives.size(); ++i) {
    const TraceAlternative& other = token.alternatives[i];
    const ImVec2 at = ImGui::GetCursorScreenPos();
    const float row = ImGui::GetTextLineHeight() + 4;
    ImGui::PushID(static_cast<int>(i));
    if (clickable) {
      if (ImGui::Selectable("##row", false, 0, {em * 17, row})) clicked = other.id;
    } else {
      ImGui::Dummy({em * 17, row});
    }
    ImGui::PopID();
    ImDrawList& list = *ImGui::GetWindowDrawList();
    const float y = at.y + 2;
    const bool chosen = other.id == token.id;
    list.AddText({at.x, y}, theme.dim, fmt::format("{:>2}", i + 1).c_str());
    const std::string text = visible_text(other.text);
    list.AddText({at.x + em * 1.8f, y}, chosen ? theme.accent : theme.text, text.c_str());
    const float bar = em * 4.5f;
    list.AddRectFilled({at.x + em * 9.2f, y + em * 0.2f}, {at.x + em * 9.2f + bar, y + em * 0.9f}, theme.grid);
    list.AddRectFilled({at.x + em * 9.2f, y + em * 0.2f}, {at.x + em * 9.2f + bar * other.probability, y + em * 0.9f},
                       theme.series[0]);
    list.AddText({at.x + em * 14.1f, y}, theme.text, fmt::format("{:.1f} %", 100 * other.probability).c_str());
  }
  return clicked;
}

}  // namespace regroup::view
