#include "runtime/ops/sampling_weight.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "runtime/core/error.h"
#include "runtime/ops/sampling.h"

namespace regroup {
namespace {

// 2^f for f in [0, 1): exponential.glsl.
float exp2_fraction(float f) {
  float p = 0.00186713009f;
  p = p * f + 0.00901703028f;
  p = p * f + 0.0557999132f;
  p = p * f + 0.24016445f;
  p = p * f + 0.693151312f;
  return p * f + 1.0f;
}

}  // namespace

std::uint32_t order_key(float logit) {
  auto bits = std::bit_cast<std::uint32_t>(logit);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) bits = bits == 0x7f800000u ? 0x7f7fffffu : 0xff7fffffu;
  if (magnitude < 0x00800000u) bits = 0;
  return bits >= 0x80000000u ? ~bits : bits | 0x80000000u;
}

float key_logit(std::uint32_t key) {
  return std::bit_cast<float>(key >= 0x80000000u ? key & 0x7fffffffu : ~key);
}

std::uint32_t logit_weight(float logit, float largest, float scale) {
  const float distance = logit - largest;
  const float t = std::max(distance * scale, -40.0f);
  const float whole = std::floor(t);
  const float power = exp2_fraction(t - whole);
  const std::uint32_t mantissa = (std::bit_cast<std::uint32_t>(power) & 0x007fffffu) | 0x00800000u;
  const auto shift = static_cast<std::uint32_t>(-static_cast<std::int32_t>(whole));
  if (shift > 31) return 0;
  return ((mantissa << 7) + ((1u << shift) >> 1)) >> shift;
}

std::uint64_t scale_sum(std::uint64_t total, std::uint32_t fraction, bool up) {
  const std::uint64_t low = (total & 0xffffffffu) * fraction;
  const std::uint64_t product = (total >> 32) * fraction + (low >> 32);
  return up && (low & 0xffffffffu) != 0 ? product + 1 : product;
}

std::uint32_t random_word(std::uint64_t seed, std::uint32_t position) {
  std::uint32_t counter[4] = {position, 0, 0, 0};
  auto key_low = static_cast<std::uint32_t>(seed);
  auto key_high = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t first = std::uint64_t{0xD2511F53u} * counter[0];
    const std::uint64_t second = std::uint64_t{0xCD9E8D57u} * counter[2];
    const std::uint32_t next[4] = {
        static_cast<std::uint32_t>(second >> 32) ^ counter[1] ^ key_low, static_cast<std::uint32_t>(second),
        static_cast<std::uint32_t>(first >> 32) ^ counter[3] ^ key_high, static_cast<std::uint32_t>(first)};
    std::copy(std::begin(next), std::end(next), std::begin(counter));
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return counter[0];
}

SamplingNumbers::SamplingNumbers(const SamplingSettings& settings, std::uint32_t vocabulary) {
  if (std::isnan(settings.temperature) || std::isnan(settings.top_p) || std::isnan(settings.min_p) ||
      !(settings.repeat_penalty > 0) || std::isinf(settings.repeat_penalty)) {
    throw_error(
        ErrorCode::kUsage,
        "cannot sample with temperature {}, top-p {}, min-p {} and repetition penalty {}: each must be a number, "
        "the penalty above 0",
        settings.temperature, settings.top_p, settings.min_p, settings.repeat_penalty);
  }
  constexpr double kLog2E = 1.4426950408889634;
  top_k = settings.top_k < vocabulary ? settings.top_k : 0;
  with_top_p = settings.top_p < 1;
  if (with_top_p) top_p = static_cast<std::uint32_t>(std::max(0.0, static_cast<double>(settings.top_p)) * 0x1p32);
  log_min_p = settings.min_p > 0 ? static_cast<float>(std::log(std::min(1.0, static_cast<double>(settings.min_p))))
                                 : -std::numeric_limits<float>::max();
  plain_scale = static_cast<float>(kLog2E);
  // Bounded so that 0 * scale stays 0: colder than 1e-30 is greedy but for exact ties.
  draw_scale = static_cast<float>(std::min(kLog2E / static_cast<double>(settings.temperature), 1e30));
  penalty = settings.repeat_penalty;
  reciprocal_penalty = 1.0f / settings.repeat_penalty;
  penalised_last = settings.repeat_penalty != 1.0f ? settings.repeat_last : 0;
}

}  // namespace regroup
