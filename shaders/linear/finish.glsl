// The end of every product: bias, gate, accumulation, store. Needs linear.h before it.
#ifndef REGROUP_LINEAR_FINISH_GLSL
#define REGROUP_LINEAR_FINISH_GLSL

#include "shaders/linear/gate.glsl"

layout(binding = 2) buffer Y { float y[]; };
layout(binding = 4) readonly buffer Bias { float bias[]; };

// Adds the bias of a row of this slice; `row` may be past the end.
float with_bias(float sum, uint row) {
  if ((push.flags & LINEAR_BIAS) != 0u) sum += bias[push.first_row + min(row, push.rows - 1u)];
  return sum;
}

float gate_product(float gate, float up) {
  return ((push.flags & LINEAR_SILU) != 0u ? silu(gate) : gelu_tanh(gate)) * up;
}

void store(uint token, uint index, float value) {
  uint at = push.y_offset + token * push.y_stride + index;
  if ((push.flags & LINEAR_ACCUMULATE) != 0u) value += y[at];
  y[at] = value;
}

// Stores the sums of two neighbouring rows of which the first is even.
void store_pair(uint token, uint row, float first, float second) {
  first = with_bias(first, row);
  second = with_bias(second, row + 1u);
  if ((push.flags & LINEAR_GATED) != 0u) {
    if (row < push.rows) store(token, (push.first_row + row) / 2u, gate_product(first, second));
  } else {
    if (row < push.rows) store(token, push.first_row + row, first);
    if (row + 1u < push.rows) store(token, push.first_row + row + 1u, second);
  }
}

#endif
