// What a sweep measured, as a table, CSV and JSON.
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

}  // namespace regroup::cli
