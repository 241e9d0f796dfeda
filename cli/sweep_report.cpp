#include "cli/sweep_report.h"

#include <fmt/format.h>
#include <algorithm>

#include "runtime/decode/memory_plan.h"

namespace regroup::cli {
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

}  // namespace regroup::cli
