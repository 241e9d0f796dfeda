// What a sweep measured, as a table, CSV, JSON and a picture.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/command.h"
#include "runtime/decode/evaluate.h"

namespace regroup::cli {

struct DepthTime {
  std::uint32_t depth = 0;  // tokens in the cache beforehand
  double ms_per_token = 0;  // decoding
};

// One number of groups by one method.
struct SweepRow {
  std::vector<std::uint32_t> groups;  // one per layer
  std::string method;                 // "none": the model itself
  Evaluation quality;
  std::vector<DepthTime> times;
  double prefill_tokens_per_second = 0;
  std::uint64_t kv_bytes_per_token = 0;
};

std::string sweep_table(const std::vector<SweepRow>& rows);
std::string sweep_csv(const std::vector<SweepRow>& rows);
Json sweep_json(const std::vector<SweepRow>& rows);
// Time per token (a line per depth) and perplexity (a line per method) against G, side by side: Figure 6 of Ainslie et
// al. 2023 with quality beside it. Rows whose layers differ in G stand at their mean.
std::string sweep_svg(const std::vector<SweepRow>& rows, const std::string& model, const std::string& caption);

}  // namespace regroup::cli
