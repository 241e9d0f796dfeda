// Rotary position embedding of one head in double precision (Su et al. 2021).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace regroup::reference {

// Turns the planes of `head` by the angles whose (cos, sin) pairs `turns` lists. interleaved: plane p is elements (2p,
// 2p+1), otherwise (p, p + planes). Elements past the planes stay.
std::vector<double> rope(std::span<const double> head, std::span<const float> turns, bool interleaved);

}  // namespace regroup::reference
