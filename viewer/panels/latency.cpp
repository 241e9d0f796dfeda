// How long tokens take: over time, split by what the device did, and against G.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>
#include <map>

#include "runtime/decode/measure.h"
#include "viewer/panel.h"

namespace regroup::view {
namespace {

// Tokens that a decoding step chose; the first generated token comes from the prefill.
bool decoded(const Trace& trace, std::size_t t) {
  return !trace.tokens[t].prompt && t > 0 && !trace.tokens[t - 1].prompt;
}

Figure over_time(const Trace& trace) {
  Series total{.name = "all", .colour = 0}, products{.name = "products", .colour = 1, .marker = Marker::kSquare},
      attention{.name = "attention", .colour = 2, .marker = Marker::kTriangle},
      rest{.name = "rest", .colour = 3, .marker = Marker::kDiamond};
  LinePlot plot;
  bool split = false;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    const TraceToken& token = trace.tokens[t];
    if (t > 0 && token.grouping != trace.tokens[t - 1].grouping) {
      plot.marks.push_back({static_cast<double>(t), groups_label(trace.groupings[token.grouping].groups)});
    }
    if (!decoded(trace, t)) continue;
    const auto x = static_cast<double>(t);
    total.x.push_back(x), total.y.push_back(token.ms);
    if (token.split.total_ms() <= 0) continue;
    split = true;
    products.x.push_back(x), products.y.push_back(token.split.products_ms);
    attention.x.push_back(x), attention.y.push_back(token.split.attention_ms);
    rest.x.push_back(x), rest.y.push_back(token.split.rest_ms);
  }
  plot.series = {total};
  if (split) plot.series.insert(plot.series.end(), {products, attention, rest});
  return {.id = "latency", .title = "Time per token", .x_label = "token", .y_label = "ms per token", .content = plot};
}

Figure against_groups(const Trace& trace) {
  std::map<std::uint32_t, std::vector<double>> by_groups;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    if (!decoded(trace, t)) continue;
    const auto& groups = trace.groupings[trace.tokens[t].grouping].groups;
    if (std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; })) {
      by_groups[groups[0]].push_back(trace.tokens[t].ms);
    }
  }
  Series live{.name = "this run", .colour = 0, .marker = Marker::kCircle, .connected = false};
  Series measured{.name = "measured", .colour = 1, .marker = Marker::kSquare};
  LinePlot plot{.log_x = true};
  for (const auto& [groups, ms] : by_groups) {
    const Summary summary = summarise(ms);
    live.x.push_back(groups), live.y.push_back(summary.mean), live.error.push_back(summary.deviation);
  }
  for (auto point = trace.sweep.rbegin(); point != trace.sweep.rend(); ++point) {
    measured.x.push_back(point->groups), measured.y.push_back(point->mean_ms),
        measured.error.push_back(point->deviation_ms);
  }
  for (const std::uint32_t heads : {1u, 2u, 4u, 8u, 16u, 32u, 64u, 128u, 3u, 6u, 12u}) {
    const auto stands_in = [&](const Series& s) { return std::find(s.x.begin(), s.x.end(), heads) != s.x.end(); };
    if (stands_in(live) || stands_in(measured)) plot.x_ticks.push_back(heads);
  }
  std::sort(plot.x_ticks.begin(), plot.x_ticks.end());
  if (!live.x.empty()) plot.series.push_back(live);
  if (!measured.x.empty()) plot.series.push_back(measured);
  if (trace.bytes_per_second > 0 && !trace.sweep.empty()) {
    // Reading every weight and the cache once is the least that a token costs; the copy reads and writes.
    const TraceSweepPoint& point = trace.sweep.back();
    const double bytes = static_cast<double>(trace.model.weights_bytes) +
                         static_cast<double>(point.depth) * static_cast<double>(point.kv_bytes_per_token);
    const double ms = 1000.0 * bytes / trace.bytes_per_second;
    plot.levels.push_back({ms, fmt::format("memory bandwidth {:.1f} GB/s", trace.bytes_per_second / 1e9)});
  }
  return {.id = "time-against-g",
          .title = "Time per token against G",
          .x_label = "G",
          .y_label = "ms per token",
          .content = plot};
}

void draw(PanelContext& c) {
  const Trace& trace = c.state.trace;
  std::vector<double> ms;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    if (decoded(trace, t)) ms.push_back(trace.tokens[t].ms);
  }
  const bool measuring = c.state.phase == Phase::kMeasuring;
  const bool live =
      c.state.phase != Phase::kReplay && c.state.phase != Phase::kEmpty && c.state.phase != Phase::kLoading;
  if (ms.empty() && trace.sweep.empty() && !measuring) {
    const float line = ImGui::GetTextLineHeightWithSpacing();
    ImGui::BeginChild("empty", {0, -line * 1.5f});
    empty_panel(c.theme, "Run a prompt to see how long each token takes.");
    ImGui::EndChild();
  } else {
    double sum = 0;
    for (const double value : ms) sum += value;
    std::sort(ms.begin(), ms.end());
    const auto percentile = [&](double share) {
      return ms.empty() ? 0.0
                        : ms[std::min(ms.size() - 1, static_cast<std::size_t>(share * static_cast<double>(ms.size())))];
    };
    if (!ms.empty()) {
      ImGui::PushFont(c.theme.mono);
      ImGui::Text("%.1f tok/s", 1000.0 * static_cast<double>(ms.size()) / sum);
      ImGui::PopFont();
      ImGui::SameLine(0, 14);
      dim_text(c.theme,
               fmt::format("p50 {} ms, p99 {} ms, prefill {:.0f} tok/s", short_number(percentile(0.5)),
                           short_number(percentile(0.99)),
                           trace.prefill_ms > 0 ? 1000.0 * static_cast<double>(trace.prompt_tokens()) / trace.prefill_ms
                                                : 0.0));
    }
    const float room = ImGui::GetContentRegionAvail().y - ImGui::GetFrameHeightWithSpacing();
    c.show(over_time(trace), room * 0.5f);
    c.show(against_groups(trace), room * 0.5f - ImGui::GetStyle().ItemSpacing.y * 2);
  }
  ImGui::BeginDisabled(!live);
  if (ImGui::Button(measuring ? "Stop measuring" : "Measure all G")) {
    if (measuring) {
      c.ask(Stop{});
    } else {
      c.ask(MeasureAllGroups{});
    }
  }
  ImGui::EndDisabled();
  if (ImGui::IsItemHovered()) ImGui::SetTooltip("Times decoding at every G, five runs each, at this depth (M)");
  if (measuring) {
    ImGui::SameLine();
    ImGui::ProgressBar(static_cast<float>(c.state.progress), {-1, 0});
  } else if (!trace.sweep.empty()) {
    ImGui::SameLine();
    dim_text(c.theme, fmt::format("{} runs each at depth {}", trace.sweep[0].runs, trace.sweep[0].depth));
  }
}

}  // namespace

const Panel& latency_panel() {
  static const Panel panel = {"latency", "Latency",
                              "Above: wall time of every token, and the device's own time for matrix products, "
                              "attention and everything else, from "
                              "timestamps around each dispatch. Dashed lines mark changes of G. Below: time per token "
                              "against G as in Figure 6 of "
                              "the paper, with one standard deviation, from this run and from \"Measure all G\"; the "
                              "dashed level is what reading "
                              "weights and cache once would take at the bandwidth that a copy reaches on this device.",
                              draw};
  return panel;
}

}  // namespace regroup::view
