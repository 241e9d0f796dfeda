// 2^f for f in [0, 1) by additions and multiplications only. They are correctly rounded everywhere, so that every device and the host
// (runtime/ops/sampling_weight.h) get the same bits. Relative error at most 1.7e-7, rising strictly, exactly 1 at f = 0.
float exp2_fraction(float f) {
  precise float p = 0.00186713009;
  p = p * f + 0.00901703028;
  p = p * f + 0.0557999132;
  p = p * f + 0.24016445;
  p = p * f + 0.693151312;
  p = p * f + 1.0;
  return p;
}

// e^x for x <= 0, to seven digits; at least 2^-126.
float exponential(float x) {
  float t = max(x * 1.44269504, -126.0);
  float whole = floor(t);
  return exp2_fraction(t - whole) * uintBitsToFloat(uint(int(whole) + 127) << 23);
}
