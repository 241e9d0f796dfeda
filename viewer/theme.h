// Colours, sizes and fonts: dark, light and high contrast, at any zoom.
#pragma once

#include <imgui.h>

#include <array>
#include <string>
#include <string_view>

#include "viewer/user_command.h"

namespace regroup::view {

std::string_view theme_name(ThemeName theme);
// The theme of that name, or the dark one.
ThemeName theme_from_name(std::string_view name);

struct Fonts {
  ImFont* regular = nullptr;
  ImFont* bold = nullptr;
  ImFont* mono = nullptr;
  ImFont* small = nullptr;
};

struct Theme : Fonts {
  ThemeName name = ThemeName::kDark;
  ImU32 window, panel, header, border, field;
  ImU32 text, dim;  // both at least 4.5 : 1 on panel
  ImU32 accent, accent_text;
  ImU32 good, bad;
  ImU32 grid, ghost;
  // Okabe and Ito's colours, those first that stand out on this background; series differ by marker too.
  std::array<ImU32, 7> series;

  ImU32 colour(std::size_t index) const { return series[index % series.size()]; }
};

Theme make_theme(ThemeName name);
// `colour` with another opacity, 0 to 1.
ImU32 with_alpha(ImU32 colour, float alpha);
// Between two colours, t from 0 to 1.
ImU32 mix(ImU32 from, ImU32 to, float t);
// A sequential map that reads the same to everybody (viridis), t from 0 to 1.
ImU32 viridis(float t);

// ImGui's colours and sizes for the theme at `scale`: zoom times the monitor's.
void apply_colours(const Theme& theme, float scale);
// Builds ImGui's font atlas, which takes tens of milliseconds; the renderer must upload it then.
Fonts build_fonts(float scale);

}  // namespace regroup::view
