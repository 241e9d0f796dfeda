#include "viewer/token_times.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace regroup::view {
namespace {

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

bool was_decoded(const Trace& trace, std::size_t t) {
  return !trace.tokens[t].prompt && t > 0 && !trace.tokens[t - 1].prompt;
}

Series time_over_tokens(const Trace& trace) {
  Series series{.name = "all", .colour = 0};
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    if (was_decoded(trace, t)) series.x.push_back(static_cast<double>(t)), series.y.push_back(trace.tokens[t].ms);
  }
  return series;
}

Series time_against_groups(const Trace& trace) {
  std::map<std::uint32_t, std::vector<double>> by_groups;
  for (std::size_t t = 0; t < trace.tokens.size(); ++t) {
    const auto& groups = trace.groupings[trace.tokens[t].grouping].groups;
    const bool alike = std::all_of(groups.begin(), groups.end(), [&](std::uint32_t g) { return g == groups[0]; });
    if (alike && was_decoded(trace, t)) by_groups[groups[0]].push_back(trace.tokens[t].ms);
  }
  Series series{.name = "this run", .colour = 0, .marker = Marker::kCircle, .connected = false};
  for (auto& [groups, ms] : by_groups) {
    const double middle = median(ms);
    for (double& value : ms) value = std::abs(value - middle);
    series.x.push_back(groups), series.y.push_back(middle), series.error.push_back(1.48 * median(ms));
  }
  return series;
}

std::optional<PinnedRun> pinned_run(const Trace& trace) {
  PinnedRun run{.over_time = time_over_tokens(trace), .against_groups = time_against_groups(trace)};
  if (run.over_time.x.empty()) return std::nullopt;
  run.name = fmt::format("pinned, {}", groups_label(trace.groupings[trace.tokens.back().grouping].groups));
  for (Series* series : {&run.over_time, &run.against_groups}) {
    series->name = run.name;
    series->ghost = true;
  }
  run.against_groups.error.clear();
  return run;
}

}  // namespace regroup::view
