// How long tokens take: over time, split by what the device did, and against G.
#include <fmt/format.h>
#include <imgui.h>

#include <algorithm>
#include <set>

#include "viewer/panel.h"
#include "viewer/token_times.h"

namespace regroup::view {
namespace {

Figure over_time(const Trace& trace, const std::vector<PinnedRun>& pinned) {
  Series products{.name = "products", .colour = 1, .marker = Marker::kSquare},
      attention{.name = "attention", .colour = 2, .marker = Marker::kTriangle},
      rest{.name = "rest", .colour = 3, .marker = Marker::kDiamond};
  LinePlot plot{.clip_spikes = true};
  bool split = false;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    const TraceToken& token = trace.tokens[t];
    if (t > 0 && token.grouping != trace.tokens[t - 1].grouping) {
      plot.marks.push_back({static_cast<double>(t), groups_label(trace.groupings[token.grouping].groups)});
    }
    if (!was_decoded(trace, t) || token.split.total_ms() <= 0) continue;
    const auto x = static_cast<double>(t);
    split = true;
    products.x.push_back(x), products.y.push_back(token.split.products_ms);
    attention.x.push_back(x), attention.y.push_back(token.split.attention_ms);
    rest.x.push_back(x), rest.y.push_back(token.split.rest_ms);
  }
  for (const PinnedRun& run : pinned) plot.series.push_back(run.over_time);
  plot.series.push_back(time_over_tokens(trace));
  if (split) plot.series.insert(plot.series.end(), {products, attention, rest});
  return {.id = "latency", .title = "Time per token", .x_label = "token", .y_label = "ms per token", .content = plot};
}

// Reading every weight and the cache once is the least that a token costs.
Series bandwidth_roof(const Trace& trace) {
  Series roof{.name = fmt::format("roof at {:.1f} GB/s", trace.bytes_per_second / 1e9), .dashed = true};
  for (auto point = trace.sweep.rbegin(); point != trace.sweep.rend(); ++point) {
    const double bytes = static_cast<double>(trace.model.weights_bytes) +
                         static_cast<double>(point->depth) * static_cast<double>(point->kv_bytes_per_token);
    roof.x.push_back(point->groups), roof.y.push_back(1000.0 * bytes / trace.bytes_per_second);
  }
  return roof;
}

Figure against_groups(const Trace& trace, const std::vector<PinnedRun>& pinned) {
  LinePlot plot{.log_x = true};
  for (const PinnedRun& run : pinned) plot.series.push_back(run.against_groups);
  if (trace.bytes_per_second > 0 && !trace.sweep.empty()) plot.series.push_back(bandwidth_roof(trace));
  Series measured{.name = "measured", .colour = 1, .marker = Marker::kSquare};
  for (auto point = trace.sweep.rbegin(); point != trace.sweep.rend(); ++point) {
    measured.x.push_back(point->groups), measured.y.push_back(point->mean_ms),
        measured.error.push_back(point->deviation_ms);
  }
  if (!measured.x.empty()) plot.series.push_back(measured);
  if (Series live = time_against_groups(trace); !live.x.empty()) plot.series.push_back(std::move(live));
  std::set<double> ticks;
  for (const Series& series : plot.series) ticks.insert(series.x.begin(), series.x.end());
  plot.x_ticks.assign(ticks.begin(), ticks.end());
  return {.id = "time-against-g",
          .title = "Time per token against G",
          .x_label = "G",
          .y_label = "ms per token",
          .content = plot};
}

// Of the last prompt, or of what was said last in a conversation.
std::size_t last_prefill_tokens(const Trace& trace) {
  std::size_t end = trace.tokens.size();
  while (end > 0 && !trace.tokens[end - 1].prompt) --end;
  std::size_t begin = end;
  while (begin > 0 && trace.tokens[begin - 1].prompt) --begin;
  return end - begin;
}

void draw(PanelContext& c) {
  const Trace& trace = c.state.trace;
  std::vector<double> ms;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    if (was_decoded(trace, t)) ms.push_back(trace.tokens[t].ms);
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
      dim_text(c.theme, fmt::format("p50 {} ms, p99 {} ms, prefill {:.0f} tok/s", short_number(percentile(0.5)),
                                    short_number(percentile(0.99)),
                                    trace.prefill_ms > 0
                                        ? 1000.0 * static_cast<double>(last_prefill_tokens(trace)) / trace.prefill_ms
                                        : 0.0));
    }
    const float room = ImGui::GetContentRegionAvail().y - ImGui::GetFrameHeightWithSpacing();
    const bool both = room > ImGui::GetFontSize() * 13;  // else neither could be read
    c.show(over_time(trace, c.ui.pinned), both ? room * 0.5f : room - ImGui::GetStyle().ItemSpacing.y);
    c.show(against_groups(trace, c.ui.pinned), both ? room * 0.5f - ImGui::GetStyle().ItemSpacing.y * 2 : 0.0f);
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
  ImGui::SameLine(0, 4);
  ImGui::BeginDisabled(ms.empty());
  if (ImGui::Button("Pin")) c.ask_window(PinRun{});
  ImGui::EndDisabled();
  if (ImGui::IsItemHovered(ImGuiHoveredFlags_AllowWhenDisabled))
    ImGui::SetTooltip("Keep this run's times, pale behind those of later runs (I)");
  if (!c.ui.pinned.empty()) {
    next_to(ImGui::CalcTextSize("Unpin").x + ImGui::GetFontSize(), 4);
    if (ImGui::Button("Unpin")) c.ask_window(UnpinRuns{});
  }
  if (measuring) {
    ImGui::SameLine();
    ImGui::ProgressBar(static_cast<float>(c.state.progress), {-1, 0});
  } else if (!trace.sweep.empty()) {
    const std::string how = fmt::format("{} runs each at depth {}", trace.sweep[0].runs, trace.sweep[0].depth);
    ImGui::SameLine();
    if (ImGui::CalcTextSize(how.c_str()).x <= ImGui::GetContentRegionAvail().x) dim_text(c.theme, how);
  }
}

}  // namespace

const Panel& latency_panel() {
  static const Panel panel = {"latency", "Latency",
                              "Above: wall time of every token, and the device's own time for matrix products, "
                              "attention and everything else, from timestamps around each dispatch. Dashed lines mark "
                              "changes of G; arrows at the top edge are values beyond it. Pinned runs stay behind, "
                              "pale. Below: time per token against G as in Figure 6 of the paper: of this run median "
                              "and scatter, of \"Measure all G\" mean and standard deviation. The dashed roof is what "
                              "reading weights and cache once would take at the bandwidth that a copy reaches here.",
                              draw};
  return panel;
}

}  // namespace regroup::view
