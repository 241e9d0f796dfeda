#include "viewer/theme.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "plot/canvas.h"

namespace regroup::view {
namespace {

using plot::kBlue;
using plot::kGreen;
using plot::kOrange;
using plot::kPurple;
using plot::kSky;
using plot::kVermillion;
using plot::kYellow;
using plot::rgb;

ImVec4 vec(ImU32 colour) {
  return ImGui::ColorConvertU32ToFloat4(colour);
}

// Debian, Fedora, Arch and macOS keep DejaVu here; without it ImGui's own font stands in.
std::filesystem::path font_file(const char* name) {
  for (const char* folder : {"/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/dejavu-sans-fonts",
                             "/usr/share/fonts/dejavu-sans-mono-fonts", "/usr/share/fonts/TTF", "/Library/Fonts"}) {
    std::error_code ignored;
    const auto path = std::filesystem::path(folder) / name;
    if (std::filesystem::exists(path, ignored)) return path;
  }
  return {};
}

ImFont* add_font(const char* file, float pixels, const ImWchar* ranges) {
  ImFontAtlas& atlas = *ImGui::GetIO().Fonts;
  const auto path = font_file(file);
  if (!path.empty()) {
    ImFontConfig config;
    config.OversampleH = 2;
    config.OversampleV = 1;
    if (ImFont* font = atlas.AddFontFromFileTTF(path.c_str(), pixels, &config, ranges)) return font;
  }
  ImFontConfig config;
  config.SizePixels = pixels;
  return atlas.AddFontDefault(&config);
}

}  // namespace

std::string_view theme_name(ThemeName theme) {
  switch (theme) {
    case ThemeName::kDark:
      return "dark";
    case ThemeName::kLight:
      return "light";
    case ThemeName::kHighContrast:
      return "high-contrast";
  }
  return "dark";
}

ThemeName theme_from_name(std::string_view name) {
  for (const ThemeName theme : {ThemeName::kLight, ThemeName::kHighContrast}) {
    if (theme_name(theme) == name) return theme;
  }
  return ThemeName::kDark;
}

Theme make_theme(ThemeName name) {
  Theme t;
  t.name = name;
  switch (name) {
    case ThemeName::kDark:
      t.window = rgb(0x12151a), t.panel = rgb(0x1a1f26), t.header = rgb(0x222932), t.border = rgb(0x333d49);
      t.field = rgb(0x11161c), t.text = rgb(0xe8ecf1), t.dim = rgb(0xa3afbd), t.accent = kSky;
      t.accent_text = rgb(0x0b1016), t.good = rgb(0x35c197), t.bad = rgb(0xff8a5c), t.grid = rgb(0x2c3540);
      t.ghost = rgb(0x6b7785);
      t.series = {kSky, kOrange, rgb(0x2bb58c), kPurple, kVermillion, kYellow, rgb(0x4c9fd6)};
      break;
    case ThemeName::kLight:
      t.window = rgb(0xe9edf1), t.panel = rgb(0xffffff), t.header = rgb(0xf1f4f7), t.border = rgb(0xc6ced8);
      t.field = rgb(0xf7f9fb), t.text = rgb(0x1b2129), t.dim = rgb(0x55606d), t.accent = kBlue;
      t.accent_text = rgb(0xffffff), t.good = rgb(0x007a58), t.bad = rgb(0xb84500), t.grid = rgb(0xe2e7ec);
      t.ghost = rgb(0x97a2af);
      t.series = {kBlue, kVermillion, kGreen, rgb(0xa4507c), rgb(0xb87d00), kSky, rgb(0x6b7785)};
      break;
    case ThemeName::kHighContrast:
      t.window = rgb(0x000000), t.panel = rgb(0x000000), t.header = rgb(0x161616), t.border = rgb(0xffffff);
      t.field = rgb(0x000000), t.text = rgb(0xffffff), t.dim = rgb(0xe0e0e0), t.accent = kYellow;
      t.accent_text = rgb(0x000000), t.good = rgb(0x6dffcb), t.bad = rgb(0xffa07a), t.grid = rgb(0x5a5a5a);
      t.ghost = rgb(0xbdbdbd);
      t.series = {kYellow, kSky, kOrange, rgb(0xff9fd2), rgb(0x3fe0b0), rgb(0xff7a33), rgb(0xffffff)};
      break;
  }
  return t;
}

ImU32 with_alpha(ImU32 colour, float alpha) {
  const auto a = static_cast<ImU32>(std::lround(std::clamp(alpha, 0.0f, 1.0f) * 255.0f));
  return (colour & ~IM_COL32_A_MASK) | a << IM_COL32_A_SHIFT;
}

ImU32 mix(ImU32 from, ImU32 to, float t) {
  const ImVec4 a = vec(from), b = vec(to);
  const float s = std::clamp(t, 0.0f, 1.0f);
  return ImGui::ColorConvertFloat4ToU32(
      {a.x + (b.x - a.x) * s, a.y + (b.y - a.y) * s, a.z + (b.z - a.z) * s, a.w + (b.w - a.w) * s});
}

ImU32 viridis(float t) {
  constexpr ImU32 kStops[] = {rgb(0x440154), rgb(0x414487), rgb(0x2a788e), rgb(0x22a884), rgb(0x7ad151), rgb(0xfde725)};
  const float at = std::clamp(t, 0.0f, 1.0f) * 5.0f;
  const int below = std::min(4, static_cast<int>(at));
  return mix(kStops[below], kStops[below + 1], at - static_cast<float>(below));
}

void apply_colours(const Theme& theme, float scale) {
  ImGuiStyle style;
  style.WindowPadding = {10, 8};
  style.FramePadding = {8, 4};
  style.ItemSpacing = {8, 6};
  style.ItemInnerSpacing = {6, 4};
  style.CellPadding = {6, 2};
  style.WindowRounding = 6;
  style.ChildRounding = 4;
  style.FrameRounding = 4;
  style.PopupRounding = 5;
  style.GrabRounding = 4;
  style.ScrollbarRounding = 6;
  style.ScrollbarSize = 11;
  style.GrabMinSize = 10;
  style.WindowBorderSize = 1;
  style.FrameBorderSize = theme.name == ThemeName::kDark ? 0.0f : 1.0f;
  style.ScaleAllSizes(scale);
  style.AntiAliasedLinesUseTex = true;
  ImVec4* c = style.Colors;
  c[ImGuiCol_Text] = vec(theme.text);
  c[ImGuiCol_TextDisabled] = vec(theme.dim);
  c[ImGuiCol_WindowBg] = vec(theme.panel);  // what a frame begins with, see App::draw_ground
  c[ImGuiCol_ChildBg] = ImVec4(0, 0, 0, 0);
  c[ImGuiCol_PopupBg] = vec(theme.header);
  c[ImGuiCol_Border] = vec(theme.border);
  c[ImGuiCol_BorderShadow] = ImVec4(0, 0, 0, 0);
  c[ImGuiCol_FrameBg] = vec(theme.field);
  c[ImGuiCol_FrameBgHovered] = vec(mix(theme.field, theme.accent, 0.18f));
  c[ImGuiCol_FrameBgActive] = vec(mix(theme.field, theme.accent, 0.30f));
  const ImU32 button = mix(theme.header, theme.text, theme.name == ThemeName::kHighContrast ? 0.18f : 0.09f);
  c[ImGuiCol_Button] = vec(button);
  c[ImGuiCol_ButtonHovered] = vec(mix(button, theme.accent, 0.35f));
  c[ImGuiCol_ButtonActive] = vec(mix(button, theme.accent, 0.55f));
  c[ImGuiCol_Header] = vec(mix(theme.header, theme.accent, 0.25f));
  c[ImGuiCol_HeaderHovered] = vec(mix(theme.header, theme.accent, 0.40f));
  c[ImGuiCol_HeaderActive] = vec(mix(theme.header, theme.accent, 0.55f));
  c[ImGuiCol_CheckMark] = vec(theme.accent);
  c[ImGuiCol_SliderGrab] = vec(with_alpha(theme.accent, 0.55f));  // the value is written over it
  c[ImGuiCol_SliderGrabActive] = vec(mix(theme.accent, theme.text, 0.3f));
  c[ImGuiCol_ScrollbarBg] = ImVec4(0, 0, 0, 0);
  c[ImGuiCol_ScrollbarGrab] = vec(theme.border);
  c[ImGuiCol_ScrollbarGrabHovered] = vec(mix(theme.border, theme.text, 0.3f));
  c[ImGuiCol_ScrollbarGrabActive] = vec(mix(theme.border, theme.text, 0.5f));
  c[ImGuiCol_Separator] = vec(theme.border);
  c[ImGuiCol_TextSelectedBg] = vec(with_alpha(theme.accent, 0.4f));
  c[ImGuiCol_NavHighlight] = vec(theme.accent);
  c[ImGuiCol_TableBorderLight] = vec(theme.grid);
  c[ImGuiCol_TableBorderStrong] = vec(theme.border);
  c[ImGuiCol_TableHeaderBg] = vec(theme.header);
  c[ImGuiCol_TableRowBgAlt] = vec(with_alpha(theme.header, 0.5f));
  c[ImGuiCol_PlotHistogram] = vec(theme.accent);
  c[ImGuiCol_ModalWindowDimBg] = vec(with_alpha(theme.window, 0.6f));
  ImGui::GetStyle() = style;
}

Fonts build_fonts(float scale) {
  // Latin, Greek, Cyrillic, punctuation, arrows, mathematics, boxes and shapes.
  static constexpr ImWchar kRanges[] = {0x20,   0x17F,  0x370,  0x3FF,  0x400,  0x4FF,  0x2010, 0x205E, 0x2070,
                                        0x209F, 0x20A0, 0x20BF, 0x2190, 0x21FF, 0x2200, 0x22FF, 0x2300, 0x23FF,
                                        0x2500, 0x25FF, 0x2600, 0x26FF, 0xFFFD, 0xFFFD, 0};
  static constexpr ImWchar kNarrow[] = {0x20, 0x17F, 0x2010, 0x205E, 0x2190, 0x2193, 0x21B5, 0x21B5, 0x2423, 0x2423, 0};
  ImGui::GetIO().Fonts->Clear();
  const float size = std::round(14.0f * scale);
  const Fonts fonts{.regular = add_font("DejaVuSans.ttf", size, kRanges),
                    .bold = add_font("DejaVuSans-Bold.ttf", size, kNarrow),
                    .mono = add_font("DejaVuSansMono.ttf", size, kNarrow),
                    .small = add_font("DejaVuSans.ttf", std::round(11.5f * scale), kNarrow)};
  ImGui::GetIO().Fonts->Build();
  ImGui::GetIO().FontDefault = fonts.regular;
  return fonts;
}

}  // namespace regroup::view
