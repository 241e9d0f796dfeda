// The activations of gated feed-forwards.
#ifndef REGROUP_LINEAR_GATE_GLSL
#define REGROUP_LINEAR_GATE_GLSL

// Arguments are clamped where the result no longer changes, so that no driver meets an infinity on the way.
float silu(float z) {
  return z / (1.0 + exp(-clamp(z, -80.0, 80.0)));
}
float gelu_tanh(float z) {
  // sqrt(2 / pi) (z + 0.044715 z^3)
  float inner = clamp(0.7978845608028654 * z * (1.0 + 0.044715 * z * z), -20.0, 20.0);
  // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)): tanh itself overflows in some drivers.
  return z / (1.0 + exp(-2.0 * inner));
}

#endif
