// regroup bench --figure6: the paper's Figure 6 (Ainslie et al. 2023, arXiv 2305.13245) from this device's own
// measurements: time per token against the number of groups, relative to multi-head attention.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/open_model.h"

namespace regroup::cli {

struct Figure6Options {
  OpenOptions open;  // model: empty for a shape that suits the device, or a synthetic one
  std::filesystem::path svg;
  std::vector<std::uint32_t> depths, sequences;  // empty: chosen for the device
  std::uint32_t steps = 0, repetitions = 3;      // decoding steps of a measurement, 0: chosen
  bool json = false;
};

int figure6(const Figure6Options& options);

}  // namespace regroup::cli
