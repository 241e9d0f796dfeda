// The order of logits and their weights, in arithmetic that gives the same bits on every device and on the host
// (runtime/ops/sampling_weight.h): candidate sets and draws never depend on who computes them.
#include "shaders/sampling/exponential.glsl"

// Unsigned integers in the order of the logits that have these bits; at least kLowestKey. A NaN and minus infinity stand with the smallest
// float, infinity with the largest, subnormals with zero (devices may flush them).
const uint kLowestKey = 0x00800000u;
uint order_key(float logit) {
  uint bits = floatBitsToUint(logit);
  uint magnitude = bits & 0x7fffffffu;
  if (magnitude >= 0x7f800000u) bits = bits == 0x7f800000u ? 0x7f7fffffu : 0xff7fffffu;
  if (magnitude < 0x00800000u) bits = 0u;
  return bits >= 0x80000000u ? ~bits : bits | 0x80000000u;
}
float key_logit(uint key) { return uintBitsToFloat(key >= 0x80000000u ? key & 0x7fffffffu : ~key); }

// 2^(scale * (logit - largest)) in units of 2^-30, rounded: integers, so that the order of summation does not matter.
uint weight_of(float logit, float largest, float scale) {
  precise float distance = logit - largest;
  precise float t = max(distance * scale, -40.0);
  float whole = floor(t);
  precise float fraction = t - whole;
  uint mantissa = (floatBitsToUint(exp2_fraction(fraction)) & 0x007fffffu) | 0x00800000u;
  uint shift = uint(-int(whole));
  uint bounded = min(shift, 31u);
  uint rounded = ((mantissa << 7) + ((1u << bounded) >> 1)) >> bounded;
  return shift <= 31u ? rounded : 0u;
}

// 64-bit integers as (low, high).
uvec2 add_wide(uvec2 a, uvec2 b) {
  uint carry;
  uint low = uaddCarry(a.x, b.x, carry);
  return uvec2(low, a.y + b.y + carry);
}
uvec2 subtract_wide(uvec2 a, uvec2 b) {
  uint borrow;
  uint low = usubBorrow(a.x, b.x, borrow);
  return uvec2(low, a.y - b.y - borrow);
}
bool less_wide(uvec2 a, uvec2 b) { return a.y < b.y || (a.y == b.y && a.x < b.x); }
// low + 65536 * high, where halves of weights were added up apart.
uvec2 join_halves(uint low, uint high) { return add_wide(uvec2(low, 0u), uvec2(high << 16, high >> 16)); }
// floor(a * fraction / 2^32), and rounded up.
uvec2 scale_wide(uvec2 a, uint fraction, bool up) {
  uint low_high, low_low, high_high, high_low;
  umulExtended(a.x, fraction, low_high, low_low);
  umulExtended(a.y, fraction, high_high, high_low);
  uvec2 product = add_wide(uvec2(high_low, high_high), uvec2(low_high, 0u));
  return up && low_low != 0u ? add_wide(product, uvec2(1u, 0u)) : product;
}
float wide_to_float(uvec2 a) { return float(a.y) * 4294967296.0 + float(a.x); }
