// IEEE binary16 and bfloat16, converted in software so that every platform gives the same bits (round to nearest even).
#pragma once

#include <cstdint>

namespace regroup {

// The float that a binary16 bit pattern stands for (exact; NaN payloads kept).
float half_to_float(std::uint16_t bits);

// The binary16 bit pattern nearest to `value`; overflow becomes infinity.
std::uint16_t float_to_half(float value);

// The float that a bfloat16 bit pattern stands for (exact).
float bfloat16_to_float(std::uint16_t bits);

// The bfloat16 bit pattern nearest to `value`; NaN stays NaN.
std::uint16_t float_to_bfloat16(float value);

}  // namespace regroup
