// The order of logits and their integer weights, bit for bit as shaders/sampling/order.glsl and random.glsl compute
// them.
#pragma once

#include <cstdint>

namespace regroup {

// Unsigned integers in the order of the logits. A NaN and minus infinity stand with the smallest float, infinity with
// the largest, subnormals with zero.
std::uint32_t order_key(float logit);
float key_logit(std::uint32_t key);

// 2^(scale * (logit - largest)) in units of 2^-30, rounded; logit <= largest, both finite.
std::uint32_t logit_weight(float logit, float largest, float scale);

// floor(total * fraction / 2^32), or rounded up.
std::uint64_t scale_sum(std::uint64_t total, std::uint32_t fraction, bool up);

// The first word of Philox4x32-10 for this seed and the counter (position, 0, 0, 0).
std::uint32_t random_word(std::uint64_t seed, std::uint32_t position);

struct SamplingSettings;

// The settings as the kernels take them.
struct SamplingNumbers {
  std::uint32_t top_k = 0;  // 0: off
  bool with_top_p = false;
  std::uint32_t top_p = 0;  // in 2^-32
  float log_min_p = 0;      // the smallest float when off
  float plain_scale = 0;    // log2(e)
  float draw_scale = 0;     // log2(e) / temperature
  float penalty = 1;
  float reciprocal_penalty = 1;
  std::uint32_t penalised_last = 0;  // 0: off

  // Throws kUsage for settings that mean nothing (a NaN, a penalty that is not positive).
  SamplingNumbers(const SamplingSettings& settings, std::uint32_t vocabulary);
};

}  // namespace regroup
