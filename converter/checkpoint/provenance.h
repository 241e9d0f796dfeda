// Where a converted checkpoint came from and what was done to it: written into the file itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace regroup {

struct Provenance {
  std::string source_name;      // file or folder name
  std::string source_checksum;  // see source_checksum.h
  std::string method;           // as asked for
  std::uint64_t seed = 0;
  std::string calibration;  // what it was calibrated on, in words; empty: nothing
  // By layer.
  std::vector<std::uint32_t> source_groups, groups;
  std::vector<std::string> methods;
  std::vector<std::optional<double>> errors;
  std::vector<std::string> members;  // source heads of each group, "0,1|2,3"; empty for layers left as they are
};

}  // namespace regroup
