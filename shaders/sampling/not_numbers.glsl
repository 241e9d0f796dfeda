// Whether components are NaN, told by their bits: a compiler may assume that there are no NaNs and drop a test for them.
bvec4 not_numbers(vec4 x) {
  return greaterThan(floatBitsToUint(x) & 0x7fffffffu, uvec4(0x7f800000u));
}
