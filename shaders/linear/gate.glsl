// The activations of gated feed-forwards, four at a time.
#ifndef REGROUP_LINEAR_GATE_GLSL
#define REGROUP_LINEAR_GATE_GLSL

// Arguments are clamped where the result no longer changes, so that no driver meets an infinity on the way.
vec4 silu(vec4 z) {
  return z / (1.0 + exp(-clamp(z, -80.0, 80.0)));
}
vec4 gelu_tanh(vec4 z) {
  // sqrt(2 / pi) (z + 0.044715 z^3)
  vec4 inner = clamp(0.7978845608028654 * z * (1.0 + 0.044715 * z * z), -20.0, 20.0);
  // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)): tanh itself overflows in some drivers.
  return z / (1.0 + exp(-2.0 * inner));
}

#endif
