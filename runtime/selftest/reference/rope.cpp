#include "runtime/selftest/reference/rope.h"

namespace regroup::reference {

std::vector<double> rope(std::span<const double> head, std::span<const float> turns, bool interleaved) {
  std::vector<double> out(head.begin(), head.end());
  const std::size_t planes = turns.size() / 2;
  for (std::size_t p = 0; p < planes; ++p) {
    const std::size_t a = interleaved ? 2 * p : p;
    const std::size_t b = interleaved ? 2 * p + 1 : p + planes;
    const double cosine = turns[2 * p], sine = turns[2 * p + 1];
    out[a] = head[a] * cosine - head[b] * sine;
    out[b] = head[a] * sine + head[b] * cosine;
  }
  return out;
}

}  // namespace regroup::reference
