// What timing found of candidates, and which of them is to be taken.
#pragma once

#include <string>
#include <vector>

namespace regroup::tuning {

struct CandidateSpeed {
  std::string name;  // KernelProfile::variant_name()
  double ms = 0;     // the least of several runs; infinite: wrong results
};

// Indices of `speeds`, best first. speeds[0] is the table's own choice, which keeps its place unless another is clearly
// faster: noise decides nothing.
std::vector<std::size_t> order_of(const std::vector<CandidateSpeed>& speeds);

}  // namespace regroup::tuning
