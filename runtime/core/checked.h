// Arithmetic on numbers that came from a file: overflow is an error, never a wrap (reliability: sizes are checked
// before use).
#pragma once

#include <cstdint>
#include <optional>

namespace regroup {

// a + b, or nothing when it does not fit 64 bits.
inline std::optional<std::uint64_t> checked_add(std::uint64_t a, std::uint64_t b) {
  std::uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

// a * b, or nothing when it does not fit 64 bits.
inline std::optional<std::uint64_t> checked_mul(std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// The smallest multiple of `step` (> 0) that is >= value; nothing when it does not fit 64 bits.
inline std::optional<std::uint64_t> checked_round_up(std::uint64_t value, std::uint64_t step) {
  const std::uint64_t rest = value % step;
  return rest == 0 ? std::optional(value) : checked_add(value, step - rest);
}

}  // namespace regroup
