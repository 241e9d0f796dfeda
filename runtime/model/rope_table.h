// Rotary frequencies (Su et al. 2021) with the scalings of published checkpoints, and the cos/sin table that shaders
// read.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/model/model_config.h"

namespace regroup {

// Frequency of each plane p < rotary_dims/2 in radians per position: theta^(-2p/rotary_dims), scaled:
//   linear: divided by factor; llama3 (Llama 3.1): long wavelengths divided, a smooth band between; yarn (Peng et al.
//   2023): ramp between interpolated and original; frequency_divisors last.
std::vector<double> rope_frequencies(const RopeConfig& config, std::uint32_t rotary_dims);

// [positions][rotary_dims/2] pairs (cos, sin) times attention_factor, computed in double and rounded once.
std::vector<float> make_rope_table(const RopeConfig& config, std::uint32_t rotary_dims, std::uint32_t positions);

}  // namespace regroup
