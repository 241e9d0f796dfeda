// The viewer's parts that need neither device nor window: layout, preferences, figures, keys.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>

#include "viewer/actions.h"
#include "viewer/figure.h"
#include "viewer/frame_pace.h"
#include "viewer/image.h"
#include "viewer/layout.h"
#include "viewer/panel.h"
#include "viewer/preferences.h"
#include "viewer/run_commands.h"
#include "viewer/token_times.h"

namespace regroup::view {
namespace {

TEST(LayoutTest, EveryPanelHasAPlaceInEveryPreset) {
  for (const std::string& preset : preset_names()) {
    const Layout layout = preset_layout(preset);
    for (const Panel* panel : all_panels()) EXPECT_NE(layout.find(panel->id), nullptr) << preset << ' ' << panel->id;
  }
  std::set<std::string_view> ids;
  for (const Panel* panel : all_panels()) {
    EXPECT_TRUE(ids.insert(panel->id).second);
    EXPECT_GT(panel->help.size(), 100u) << panel->id << " is not explained";
  }
}

TEST(LayoutTest, PanelsFillTheAreaWithoutOverlap) {
  for (const std::string& preset : preset_names()) {
    const Arrangement a = arrange(preset_layout(preset), "", {{10, 20}, {1010, 720}}, 0);
    float covered = 0;
    for (const Placed& p : a.panels) covered += p.area.width() * p.area.height();
    EXPECT_NEAR(covered, 1000 * 700, 10) << preset;
    for (std::size_t i = 0; i < a.panels.size(); ++i) {
      for (std::size_t j = i + 1; j < a.panels.size(); ++j) {
        const Rect &x = a.panels[i].area, &y = a.panels[j].area;
        EXPECT_FALSE(x.min.x < y.max.x - 0.5f && y.min.x < x.max.x - 0.5f && x.min.y < y.max.y - 0.5f &&
                     y.min.y < x.max.y - 0.5f)
            << a.panels[i].panel << " and " << a.panels[j].panel;
      }
    }
  }
}

TEST(LayoutTest, HiddenPanelsGiveTheirRoomAwayAndAnEnlargedOneTakesAll) {
  Layout layout = preset_layout("live");
  layout.find("heads")->visible = layout.find("device")->visible = false;
  const Arrangement a = arrange(layout, "", {{0, 0}, {900, 600}}, 0);
  float right = 0;
  for (const Placed& p : a.panels) right = std::max(right, p.area.max.x);
  EXPECT_EQ(right, 900);
  const Arrangement one = arrange(layout, "memory", {{0, 0}, {900, 600}}, 8);
  ASSERT_EQ(one.panels.size(), 1u);
  EXPECT_EQ(one.panels[0].area.width(), 900);
}

TEST(LayoutTest, ColumnsThatWouldBeTooNarrowGiveWay) {
  const Layout layout = preset_layout("live");
  const auto columns = [&](float width) {
    std::set<float> lefts;
    for (const Placed& p : arrange(layout, "", {{0, 0}, {width, 500}}, 8, 150).panels) {
      EXPECT_GE(p.area.width(), 150);
      lefts.insert(p.area.min.x);
    }
    return lefts.size();
  };
  EXPECT_EQ(columns(1600), 4u);
  EXPECT_EQ(columns(700), 3u);
  EXPECT_EQ(arrange(layout, "", {{0, 0}, {100, 500}}, 8, 150).panels.size(), 2u);  // one column in any case
}

TEST(LayoutTest, SeamsMoveRoomFromOnePanelToTheNext) {
  Layout layout = preset_layout("live");
  const Rect area{{0, 0}, {1000, 800}};
  const Arrangement before = arrange(layout, "", area, 4);
  const Seam seam =
      *std::find_if(before.seams.begin(), before.seams.end(), [](const Seam& s) { return s.between_columns; });
  move_seam(layout, seam, 50, area);
  const Arrangement after = arrange(layout, "", area, 4);
  EXPECT_NEAR(after.panels[0].area.width(), before.panels[0].area.width() + 50, 2);
  move_seam(layout, seam, -1e6f, area);  // stops at the least width
  EXPECT_GT(arrange(layout, "", area, 4).panels[0].area.width(), 5);
}

TEST(PreferencesTest, AreKeptAndSurviveADamagedFile) {
  const auto folder = std::filesystem::temp_directory_path() / "regroup-preferences-test";
  std::filesystem::remove_all(folder);
  const auto file = folder / "regroup" / "view.json";
  Preferences p;
  p.theme = ThemeName::kHighContrast;
  p.zoom = 1.5;
  p.width = 1234;
  p.layout.find("device")->visible = false;
  p.layout.columns[0].weight = 2;
  save_preferences(file, p);
  const Preferences q = load_preferences(file);
  EXPECT_EQ(q.theme, p.theme);
  EXPECT_EQ(q.zoom, 1.5);
  EXPECT_EQ(q.width, 1234);
  EXPECT_EQ(layout_to_json(q.layout), layout_to_json(p.layout));
  for (const char* text :
       {"", "{", "[]", R"({"zoom": "big", "layout": [1, 2], "theme": 7})", R"({"zoom": 1e300, "width": -5})",
        R"({"layout": [{"weight": -3, "cells": [{"panel": "nobody"}, 5]}, {}, {}, {}]})"}) {
    std::ofstream(file) << text;
    const Preferences r = load_preferences(file);
    EXPECT_GE(r.zoom, 1.0);
    EXPECT_LE(r.zoom, 3.0);
    EXPECT_GE(r.width, 320);
    EXPECT_FALSE(arrange(r.layout, "", {{0, 0}, {100, 100}}, 1).panels.empty());
  }
  std::filesystem::remove_all(folder);
}

// Four prompt tokens, then 20 decoded with G 8 and 20 with G 2, one of which stalled.
Trace traced_run() {
  Trace trace{.groupings = {{.groups = {8, 8}}, {.groups = {2, 2}}}};
  for (int t = 0; t < 4; ++t) trace.tokens.push_back({.prompt = true});
  for (int t = 0; t < 41; ++t) {
    trace.tokens.push_back(
        {.ms = t == 30 ? 900.0 : (t <= 20 ? 8.0 : 4.0) + 0.1 * (t % 3), .grouping = t <= 20 ? 0u : 1u});
  }
  return trace;
}

TEST(TokenTimesTest, MediansByGroupsAreNotMovedByAStall) {
  const Series series = time_against_groups(traced_run());
  EXPECT_EQ(series.x, (std::vector<double>{2, 8}));
  EXPECT_NEAR(series.y[0], 4.1, 0.11);
  EXPECT_NEAR(series.y[1], 8.1, 0.11);
  EXPECT_LT(series.error[0], 0.3);
  EXPECT_EQ(time_over_tokens(traced_run()).x.size(), 40u);  // the first comes from the prefill
}

TEST(TokenTimesTest, APinnedRunStandsBehindPaleAndNamed) {
  const auto run = pinned_run(traced_run());
  ASSERT_TRUE(run.has_value());
  EXPECT_TRUE(run->over_time.ghost && run->against_groups.ghost);
  EXPECT_NE(run->name.find("G 2"), std::string::npos);
  EXPECT_FALSE(pinned_run(Trace{}).has_value());
}

TEST(FigureTest, ASpikeIsCutOffOnlyWhereThatIsAsked) {
  LinePlot plot{.series = {time_over_tokens(traced_run())}};
  const auto highest_label = [&] {
    const std::string svg =
        figure_to_svg({.id = "f", .x_label = "x", .y_label = "y", .content = plot}, make_theme(ThemeName::kLight));
    double highest = 0;
    for (std::size_t at = svg.find("text-anchor=\"end\">"); at != std::string::npos;
         at = svg.find("text-anchor=\"end\">", at + 1)) {
      highest = std::max(highest, std::strtod(svg.c_str() + at + 18, nullptr));
    }
    return highest;
  };
  EXPECT_GT(highest_label(), 400);
  plot.clip_spikes = true;
  EXPECT_LT(highest_label(), 20);
}

TEST(DurationsTest, PercentilesOfTheLatestAndTheLargestOfAll) {
  Durations d;
  EXPECT_EQ(d.percentile(0.99), 0.0);
  d.add(1e6);
  for (int i = 1; i <= 2000; ++i) d.add(i);
  EXPECT_EQ(d.count(), 2001u);
  EXPECT_EQ(d.largest(), 1e6);
  EXPECT_EQ(d.percentile(0.5), 1001);  // the first is forgotten
  EXPECT_EQ(d.percentile(1.0), 2000);
}

TEST(FigureTest, NumbersAreShortAndDigitsGrouped) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(1234.4), "1234");
  EXPECT_EQ(short_number(12.34), "12.3");
  EXPECT_EQ(short_number(0.25), "0.25");
  EXPECT_EQ(grouped_digits(7), "7");
  EXPECT_EQ(grouped_digits(123456), "123,456");
  EXPECT_EQ(grouped_digits(1048576), "1,048,576");
}

TEST(FigureTest, CsvAndSvgHoldTheDataAndEscapeText) {
  const Figure figure{
      .id = "x",
      .title = "a < b & c",
      .x_label = "token",
      .y_label = "ms, wall",
      .content = LinePlot{.series = {Series{.name = "one \"1\"", .x = {1, 2}, .y = {3.5, 4.5}, .error = {0.5}}}}};
  EXPECT_EQ(figure_to_csv(figure),
            "series,token,\"ms, wall\",error\n\"one \"\"1\"\"\",1,3.5,0.5\n\"one \"\"1\"\"\",2,4.5,\n");
  const std::string svg = figure_to_svg(figure, make_theme(ThemeName::kLight));
  EXPECT_NE(svg.find("a &lt; b &amp; c"), std::string::npos);
  EXPECT_NE(svg.find("<polyline"), std::string::npos);
  const Figure heat{
      .id = "h",
      .content = HeatMap{.rows = 1, .columns = 2, .values = {0.5f, NAN}, .row_name = "r", .column_name = "c"}};
  EXPECT_EQ(figure_to_csv(heat), "r,c,value\n0,0,0.5\n");
}

TEST(FigureTest, AHundredThousandPointsCostNoMoreThanTheWindowIsWide) {
  Series series{.name = "long"};
  for (int i = 0; i < 100000; ++i) series.x.push_back(i), series.y.push_back(std::sin(i * 0.01));
  const Figure figure{.id = "x",
                      .title = "long",
                      .x_label = "x",
                      .y_label = "y",
                      .content = LinePlot{.series = {series}, .zero_based = false}};
  EXPECT_LT(figure_to_svg(figure, make_theme(ThemeName::kDark)).size(), 60000u);
}

TEST(ActionsTest, NoTwoActionsShareAKey) {
  std::set<std::string_view> chords;
  for (const Action& action : actions()) EXPECT_TRUE(chords.insert(action.chord).second) << action.chord;
  EXPECT_NE(action_for({"space"}, false), nullptr);
  EXPECT_EQ(action_for({"space"}, true), nullptr) << "a space that is typed is text";
  EXPECT_NE(action_for({"ctrl+o"}, true), nullptr);
  EXPECT_EQ(action_for({"ctrl+="}, false), action_for({"ctrl++"}, false));
}

// Relative luminance and contrast as WCAG 2 defines them.
double luminance(ImU32 colour) {
  const auto channel = [&](int shift) {
    const double c = (colour >> shift & 255u) / 255.0;
    return c <= 0.03928 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4);
  };
  return 0.2126 * channel(IM_COL32_R_SHIFT) + 0.7152 * channel(IM_COL32_G_SHIFT) + 0.0722 * channel(IM_COL32_B_SHIFT);
}

double contrast(ImU32 a, ImU32 b) {
  const double x = luminance(a), y = luminance(b);
  return (std::max(x, y) + 0.05) / (std::min(x, y) + 0.05);
}

// The commands as one reads them: "reset, prompt Once, run 200".
std::string described(const std::vector<EngineCommand>& commands) {
  std::string text;
  for (const EngineCommand& command : commands) {
    text += text.empty() ? "" : ", ";
    if (std::holds_alternative<Reset>(command)) text += "reset";
    if (const auto* prompt = std::get_if<SetPrompt>(&command)) text += "prompt " + prompt->text;
    if (const auto* run = std::get_if<Run>(&command)) text += "run " + std::to_string(run->tokens);
    if (const auto* say = std::get_if<Say>(&command)) text += "say " + say->message;
  }
  return text;
}

TEST(RunCommandsTest, AnEditedPromptIsRunFromTheStart) {
  AppState state;
  UiState ui;
  ui.prompt = state.settings.prompt;
  EXPECT_EQ(described(run_commands(state, ui)), "run 200");
  EXPECT_EQ(described(step_commands(state, ui)), "run 1");
  ui.prompt = "Once";
  EXPECT_EQ(described(run_commands(state, ui)), "reset, prompt Once, run 200");
  EXPECT_EQ(described(step_commands(state, ui)), "reset, prompt Once, run 1");
  EXPECT_EQ(described(enter_commands(state, ui)), "reset, prompt Once, run 200");
}

TEST(RunCommandsTest, InAConversationTheFieldIsForWhatIsSaidNext) {
  AppState state;
  state.settings.chat = true;
  UiState ui;
  ui.prompt = "Hello";
  EXPECT_EQ(described(step_commands(state, ui)), "run 1");
  EXPECT_EQ(described(run_commands(state, ui)), "say Hello");
  EXPECT_EQ(ui.prompt, "");
  EXPECT_EQ(described(run_commands(state, ui)), "run 200");
  EXPECT_EQ(described(enter_commands(state, ui)), "");
  ui.prompt = "And then?";
  EXPECT_EQ(described(enter_commands(state, ui)), "say And then?");
}

TEST(ThemeTest, TextHasAContrastOfAtLeastFourAndAHalf) {
  for (const ThemeName name : {ThemeName::kDark, ThemeName::kLight, ThemeName::kHighContrast}) {
    const Theme theme = make_theme(name);
    for (const ImU32 back : {theme.panel, theme.header, theme.field}) {
      for (const ImU32 text : {theme.text, theme.dim, theme.bad})
        EXPECT_GE(contrast(text, back), 4.5) << theme_name(name);
    }
    EXPECT_GE(contrast(theme.accent_text, theme.accent), 4.5) << theme_name(name);
  }
}

TEST(ImageTest, CroppingStaysInside) {
  Image image{.width = 4, .height = 3, .rgba = std::vector<std::uint8_t>(48)};
  for (std::size_t i = 0; i < 12; ++i) image.rgba[i * 4] = static_cast<std::uint8_t>(i);
  const Image part = crop(image, 2, 1, 10, 10);
  EXPECT_EQ(part.width, 2u);
  EXPECT_EQ(part.height, 2u);
  EXPECT_EQ(part.rgba[0], 6);
  EXPECT_EQ(crop(image, 9, 9, 1, 1).rgba.size(), 0u);
}

TEST(FramePaceTest, InputIsDrawnAtOnceAndNewsWait) {
  const FramePace pace{.published_seconds = 0.1, .least_seconds = 0.01};
  EXPECT_TRUE(pace.is_due({.owes_answer = true, .since_drawn = 0.001, .frame_seconds = 0.1}));
  EXPECT_FALSE(pace.is_due({.animating = true, .since_drawn = 0.001}));
  EXPECT_TRUE(pace.is_due({.animating = true, .since_drawn = 0.02}));
  EXPECT_EQ(pace.wait_seconds({.owes_answer = true, .animating = true, .published = true, .since_drawn = 0.001}), 0);
  EXPECT_FALSE(pace.is_due({.published = true, .since_drawn = 0.05}));
  EXPECT_NEAR(pace.wait_seconds({.published = true, .since_drawn = 0.06}), 0.04, 1e-9);
  EXPECT_TRUE(pace.is_due({.published = true, .since_drawn = 0.11}));
  // Frames that take long come seldom, so that most input meets a window that waits.
  EXPECT_FALSE(pace.is_due({.published = true, .since_drawn = 0.11, .frame_seconds = 0.06}));
  EXPECT_TRUE(pace.is_due({.published = true, .since_drawn = 0.19, .frame_seconds = 0.06}));
  EXPECT_TRUE(pace.is_due({.published = true, .since_drawn = 0.6, .frame_seconds = 5}));
}

TEST(FramePaceTest, WhatNobodySeesCostsNothing) {
  const FramePace pace;
  // Nothing new: asleep. Minimised: asleep too, whatever moves; once a second the engine's news are looked at.
  EXPECT_FALSE(pace.is_due({.since_drawn = 100}));
  EXPECT_GE(pace.wait_seconds({.since_drawn = 100}), 1);
  const FramePace::Wish minimised{
      .minimised = true, .owes_answer = true, .animating = true, .published = true, .since_drawn = 0.5};
  EXPECT_FALSE(pace.is_due(minimised));
  EXPECT_GE(pace.wait_seconds(minimised), 1);
  EXPECT_TRUE(pace.is_due({.minimised = true, .published = true, .since_drawn = 1.5}));
}

}  // namespace
}  // namespace regroup::view
