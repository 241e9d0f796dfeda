#include "cli/bench_compare.h"

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <vector>

#include "cli/command.h"
#include "runtime/core/error.h"
#include "runtime/decode/measure.h"

namespace regroup::cli {
namespace {

// A difference is called significant when chance alone would show it less often than this.
constexpr double kSignificant = 0.01;

struct Measured {
  std::string test;  // what must agree for two rows to be the same test
  double speed = 0, deviation = 0;
  std::vector<double> samples;
};

double number_of(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? found->get<double>() : 0.0;
}

std::string text_of(const nlohmann::json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_string() ? found->get<std::string>() : std::string();
}

Measured measured(const nlohmann::json& row, const std::string& path) {
  if (!row.is_object() || !row.contains("avg_ts")) {
    throw_error(ErrorCode::kUsage, "{}: not what `regroup bench -o json` or `-o jsonl` writes", escaped(path));
  }
  Measured out{.speed = number_of(row, "avg_ts"), .deviation = number_of(row, "stddev_ts")};
  const auto prompt = number_of(row, "n_prompt"), generated = number_of(row, "n_gen"),
             depth = number_of(row, "n_depth");
  if (prompt > 0) out.test = fmt::format("pp{}", prompt);
  if (generated > 0) out.test += fmt::format("{}tg{}", prompt > 0 ? "+" : "", generated);
  if (number_of(row, "n_sequences") > 1) out.test += fmt::format(" x{}", number_of(row, "n_sequences"));
  if (depth > 0) out.test += fmt::format(" @ d{}", depth);
  if (row.contains("groups")) out.test += fmt::format(" G {}", row["groups"].dump());
  out.test += fmt::format(" {} {}", text_of(row, "type_k"), text_of(row, "model_type"));
  const auto samples = row.find("samples_ts");
  if (samples != row.end() && samples->is_array()) {
    for (const auto& sample : *samples) {
      if (sample.is_number()) out.samples.push_back(sample.get<double>());
    }
  }
  return out;
}

std::vector<Measured> read_rows(const std::string& path) {
  const std::string text = read_text_file(path);
  std::vector<Measured> rows;
  const auto add = [&](const nlohmann::json& document) {
    const auto inner = document.is_object() && document.contains("rows") ? document["rows"] : document;
    if (inner.is_array()) {
      for (const auto& row : inner) rows.push_back(measured(row, path));
    } else {
      rows.push_back(measured(inner, path));
    }
  };
  auto whole = nlohmann::json::parse(text, nullptr, false);
  if (!whole.is_discarded()) {
    add(whole);
    return rows;
  }
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    auto row = nlohmann::json::parse(line, nullptr, false);
    if (row.is_discarded()) throw_error(ErrorCode::kUsage, "{}: neither JSON nor lines of JSON", escaped(path));
    add(row);
  }
  return rows;
}

}  // namespace

int compare_benchmarks(const std::string& before, const std::string& after, bool json) {
  const std::vector<Measured> first = read_rows(before), second = read_rows(after);
  Json rows = Json::array();
  for (const Measured& a : first) {
    const auto found = std::find_if(second.begin(), second.end(), [&](const Measured& b) { return b.test == a.test; });
    if (found == second.end() || a.speed <= 0) continue;
    const double p = welch_p_value(a.samples, found->samples);
    rows.push_back({{"test", a.test},
                    {"before_ts", a.speed},
                    {"before_stddev_ts", a.deviation},
                    {"after_ts", found->speed},
                    {"after_stddev_ts", found->deviation},
                    {"percent", 100 * (found->speed / a.speed - 1)},
                    {"p_value", p},
                    {"significant", p < kSignificant}});
  }
  if (rows.empty()) throw_error(ErrorCode::kUsage, "the two files have no test in common");
  if (json) {
    print_json({{"rows", rows}});
    return 0;
  }
  std::printf("| test | before, t/s | after, t/s | change | p | |\n| --- | ---: | ---: | ---: | ---: | --- |\n");
  for (const Json& row : rows) {
    std::printf("| %s | %.2f ± %.2f | %.2f ± %.2f | %+.1f %% | %.3f | %s |\n", row["test"].get<std::string>().c_str(),
                row["before_ts"].get<double>(), row["before_stddev_ts"].get<double>(), row["after_ts"].get<double>(),
                row["after_stddev_ts"].get<double>(), row["percent"].get<double>(), row["p_value"].get<double>(),
                row["significant"].get<bool>() ? "significant" : "within noise");
  }
  std::printf("\np: the probability of such a difference by chance (Welch's t-test, two-sided); significant below %g\n",
              kSignificant);
  return 0;
}

}  // namespace regroup::cli
