#include "cli/sweep_report.h"

#include <fmt/format.h>
#include <algorithm>
#include <numeric>

#include "plot/svg_plot.h"
#include "runtime/decode/memory_plan.h"

namespace regroup::cli {

using plot::AxisScale;
using plot::Plot;
using plot::PlotAxis;
using plot::PlotPoint;
using plot::PlotSeries;

namespace {

// Columns as wide as their widest cell; the first two are text and stand left.
std::string aligned(const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string out;
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += i < 2 ? fmt::format("{:<{}}  ", line[i], widths[i]) : fmt::format("{:>{}}  ", line[i], widths[i]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  return out;
}

double mean_groups(const SweepRow& row) {
  return std::accumulate(row.groups.begin(), row.groups.end(), 0.0) / static_cast<double>(row.groups.size());
}

// The series of that name, made where there is none.
PlotSeries& series_named(Plot& plot, const std::string& name) {
  for (PlotSeries& series : plot.series) {
    if (series.name == name) return series;
  }
  return plot.series.emplace_back(PlotSeries{.name = name});
}

void order_points(Plot& plot) {
  for (PlotSeries& series : plot.series) {
    std::sort(series.points.begin(), series.points.end(),
              [](const PlotPoint& a, const PlotPoint& b) { return a.x < b.x; });
  }
}

// Two documents in one: an svg element may stand inside another.
std::string side_by_side(const Plot& left, const Plot& right) {
  const auto placed = [](const Plot& plot, int x) {
    std::string text = svg_plot(plot);
    const std::size_t element = text.find("<svg ");
    text.erase(0, element);  // no XML declaration inside
    return text.insert(5, fmt::format("x=\"{}\" ", x));
  };
  // The caption below a picture is a tenth of its width at most.
  const int height = std::max(left.height, right.height) + left.width / 10;
  return fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\">\n{}{}</svg>\n",
                     left.width + right.width, height, placed(left, 0), placed(right, left.width));
}

}  // namespace

std::string sweep_table(const std::vector<SweepRow>& rows) {
  std::vector<std::string> head = {"G", "method", "perplexity", "KL mean", "KL p99", "same top", "KV/token"};
  for (const DepthTime& time : rows.front().times) head.push_back(fmt::format("ms/token @ {}", time.depth));
  head.emplace_back("prefill t/s");
  std::vector<std::vector<std::string>> lines = {head};
  for (const SweepRow& row : rows) {
    const Evaluation& q = row.quality;
    std::vector<std::string> line = {groups_text(row.groups),
                                     row.method,
                                     fmt::format("{:.2f}", q.perplexity),
                                     fmt::format("{:.4f}", q.kl_mean),
                                     fmt::format("{:.3f}", q.kl_p99),
                                     fmt::format("{:.1f} %", 100 * q.same_top),
                                     human_bytes(row.kv_bytes_per_token)};
    for (const DepthTime& time : row.times) line.push_back(fmt::format("{:.2f}", time.ms_per_token));
    line.push_back(fmt::format("{:.1f}", row.prefill_tokens_per_second));
    lines.push_back(std::move(line));
  }
  return aligned(lines);
}

std::string sweep_csv(const std::vector<SweepRow>& rows) {
  std::string out = "groups,method,perplexity,kl_mean,kl_p99,same_top,tokens,kv_bytes_per_token";
  for (const DepthTime& time : rows.front().times) out += fmt::format(",ms_per_token_d{}", time.depth);
  out += ",prefill_tokens_per_second\n";
  for (const SweepRow& row : rows) {
    const Evaluation& q = row.quality;
    out += fmt::format("\"{}\",{},{},{},{},{},{},{}", groups_text(row.groups), row.method, q.perplexity, q.kl_mean,
                       q.kl_p99, q.same_top, q.tokens, row.kv_bytes_per_token);
    for (const DepthTime& time : row.times) out += fmt::format(",{}", time.ms_per_token);
    out += fmt::format(",{}\n", row.prefill_tokens_per_second);
  }
  return out;
}

Json sweep_json(const std::vector<SweepRow>& rows) {
  Json list = Json::array();
  for (const SweepRow& row : rows) {
    const Evaluation& q = row.quality;
    Json times = Json::array();
    for (const DepthTime& time : row.times) times.push_back({{"depth", time.depth}, {"ms", time.ms_per_token}});
    list.push_back({{"groups", row.groups},
                    {"method", row.method},
                    {"perplexity", q.perplexity},
                    {"kl_mean", q.kl_mean},
                    {"kl_p99", q.kl_p99},
                    {"same_top", q.same_top},
                    {"tokens", q.tokens},
                    {"ms_per_token", times},
                    {"prefill_tokens_per_second", row.prefill_tokens_per_second},
                    {"kv_bytes_per_token", row.kv_bytes_per_token}});
  }
  return list;
}

std::string sweep_svg(const std::vector<SweepRow>& rows, const std::string& model, const std::string& caption) {
  std::vector<double> groups;
  for (const SweepRow& row : rows) groups.push_back(mean_groups(row));
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  const PlotAxis x{.label = "KV groups G", .scale = AxisScale::kLog2, .ticks = groups};
  Plot time{.title = model + ": time per token",
            .caption = caption,
            .x = x,
            .y = {.label = "ms per token", .from_zero = true},
            .width = 520,
            .height = 400};
  Plot quality{.title = "Quality without training",
               .caption = {},
               .x = x,
               .y = {.label = "perplexity", .scale = AxisScale::kLog10},
               .width = 520,
               .height = 400};
  // Time hardly depends on the method: that of the first one stands for all.
  const auto same_groups = [](const SweepRow& a, const SweepRow& b) { return a.groups == b.groups; };
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const SweepRow& row = rows[i];
    const bool first = std::none_of(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(i),
                                    [&](const SweepRow& before) { return same_groups(before, row); });
    for (const DepthTime& at : row.times) {
      if (first) {
        series_named(time, fmt::format("{} tokens cached", at.depth))
            .points.push_back({.x = mean_groups(row), .y = at.ms_per_token});
      }
    }
    if (row.method != "none") {
      series_named(quality, row.method).points.push_back({.x = mean_groups(row), .y = row.quality.perplexity});
    }
  }
  // The model itself is where every method begins.
  for (const SweepRow& row : rows) {
    if (row.method != "none") continue;
    if (quality.series.empty()) series_named(quality, "none");
    for (PlotSeries& series : quality.series) {
      series.points.push_back({.x = mean_groups(row), .y = row.quality.perplexity});
    }
  }
  order_points(time);
  order_points(quality);
  return side_by_side(time, quality);
}

}  // namespace regroup::cli
