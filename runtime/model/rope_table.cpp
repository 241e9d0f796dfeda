#include "runtime/model/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace regroup {
namespace {

double llama3_frequency(const RopeConfig& config, double frequency) {
  const double wavelength = 2 * std::numbers::pi / frequency;
  const double longest_kept = config.original_context / config.high_frequency_factor;
  const double shortest_scaled = config.original_context / config.low_frequency_factor;
  if (wavelength < longest_kept) return frequency;
  if (wavelength > shortest_scaled) return frequency / config.factor;
  const double smooth = (config.original_context / wavelength - config.low_frequency_factor) /
                        (config.high_frequency_factor - config.low_frequency_factor);
  return (1 - smooth) * frequency / config.factor + smooth * frequency;
}

// The (fractional) plane at which `rotations` full turns fit the original context.
double yarn_plane(const RopeConfig& config, std::uint32_t dims, double rotations) {
  return dims * std::log(config.original_context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(config.theta));
}

}  // namespace

std::vector<double> rope_frequencies(const RopeConfig& config, std::uint32_t rotary_dims) {
  const std::uint32_t planes = rotary_dims / 2;
  std::vector<double> frequencies(planes);
  double low = 0, high = 0;
  if (config.scaling == RopeScaling::kYarn) {
    low = yarn_plane(config, rotary_dims, config.beta_fast);
    high = yarn_plane(config, rotary_dims, config.beta_slow);
    if (config.truncate_range) {
      low = std::floor(low);
      high = std::ceil(high);
    }
    low = std::max(low, 0.0);
    high = std::min(high, static_cast<double>(rotary_dims - 1));
    if (low == high) high += 0.001;  // a ramp of no width would divide by zero
  }
  for (std::uint32_t p = 0; p < planes; ++p) {
    double frequency = std::pow(config.theta, -2.0 * p / rotary_dims);
    switch (config.scaling) {
      case RopeScaling::kNone:
        break;
      case RopeScaling::kLinear:
        frequency /= config.factor;
        break;
      case RopeScaling::kLlama3:
        frequency = llama3_frequency(config, frequency);
        break;
      case RopeScaling::kYarn: {
        const double ramp = std::clamp((p - low) / (high - low), 0.0, 1.0);
        frequency = frequency / config.factor * ramp + frequency * (1 - ramp);
        break;
      }
    }
    if (!config.frequency_divisors.empty()) frequency /= config.frequency_divisors[p];
    frequencies[p] = frequency;
  }
  return frequencies;
}

std::vector<float> make_rope_table(const RopeConfig& config, std::uint32_t rotary_dims, std::uint32_t positions) {
  const std::vector<double> frequencies = rope_frequencies(config, rotary_dims);
  std::vector<float> table;
  table.reserve(std::size_t{positions} * rotary_dims);
  for (std::uint32_t position = 0; position < positions; ++position) {
    for (const double frequency : frequencies) {
      const double angle = position * frequency;
      table.push_back(static_cast<float>(std::cos(angle) * config.attention_factor));
      table.push_back(static_cast<float>(std::sin(angle) * config.attention_factor));
    }
  }
  return table;
}

}  // namespace regroup
