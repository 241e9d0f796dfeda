// Arithmetic shared by the encoders of the 32-column formats; it follows ggml's reference quantisers step by step.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace regroup {

// The first of the 32 values that is farthest from zero, with its sign (0 when all are NaN).
inline float largest_magnitude(const float* values) {
  float largest = 0.0f;
  for (std::size_t i = 0; i < 32; ++i) {
    if (std::fabs(values[i]) > std::fabs(largest)) largest = values[i];
  }
  return largest;
}

struct Range {
  float low;
  float high;
};
inline Range range_of(const float* values) {
  Range range{values[0], values[0]};
  for (std::size_t i = 1; i < 32; ++i) {
    if (values[i] < range.low) range.low = values[i];
    if (values[i] > range.high) range.high = values[i];
  }
  return range;
}

// 1 / d; zero where d is zero or so small that the inverse overflows (such a d is zero as a half anyway).
inline float inverse_or_zero(float d) {
  const float inverse = d == 0.0f ? 0.0f : 1.0f / d;
  return std::isfinite(inverse) ? inverse : 0.0f;
}

// `value` rounded half away from zero and cut to -127..127; NaN becomes 0.
inline std::int8_t to_signed_level(float value) {
  const float rounded = std::round(value);
  if (!(std::fabs(rounded) <= 127.0f))
    return rounded > 0.0f ? std::int8_t{127} : (rounded < 0.0f ? std::int8_t{-127} : std::int8_t{0});
  return static_cast<std::int8_t>(rounded);
}

// `value` cut to an integer in 0..largest; NaN becomes 0.
inline std::uint32_t to_level(float value, float largest) {
  if (!(value > 0.0f)) return 0;
  return static_cast<std::uint32_t>(value < largest ? value : largest);
}

}  // namespace regroup
