#include "runtime/model/drawn_heads.h"

#include <random>

namespace regroup {

std::vector<std::uint32_t> drawn_heads(std::uint64_t seed, std::uint32_t layer, std::uint32_t groups,
                                       std::uint32_t members) {
  // Unlike distributions, seed_seq and the engine are fixed by the standard.
  std::seed_seq seeds{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32), layer};
  std::mt19937_64 random(seeds);
  std::vector<std::uint32_t> out;
  for (std::uint32_t g = 0; g < groups; ++g) out.push_back(static_cast<std::uint32_t>(random() % members));
  return out;
}

}  // namespace regroup
