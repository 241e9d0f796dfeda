// Which head stands for its group where heads are drawn by chance: the same whether a model is regrouped while it runs
// or converted.
#pragma once

#include <cstdint>
#include <vector>

namespace regroup {

// For each of `groups` groups of `members` heads the position of one of them, 0 .. members - 1. The same seed draws the
// same heads everywhere, and every layer draws for itself: which others are merged does not matter.
std::vector<std::uint32_t> drawn_heads(std::uint64_t seed, std::uint32_t layer, std::uint32_t groups,
                                       std::uint32_t members);

}  // namespace regroup
