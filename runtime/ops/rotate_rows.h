// Rotary embedding of whole sequences in place, and its inverse, which is also the way of a gradient back through it.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

// Plane p of each head, elements 2p and 2p + 1, turns by the angle of (position, p). Tokens are sequences of `length`
// one after the other, each starting at position 0.
struct RotateRows {
  Activations rows;  // [tokens, heads * head_dim]
  BufferView table;  // [>= length, rotary_dims / 2] pairs (cos, sin)
  std::uint32_t tokens = 0;
  std::uint32_t length = 0;
  std::uint32_t heads = 0;
  std::uint32_t head_dim = 0;     // a multiple of 4
  std::uint32_t rotary_dims = 0;  // even, <= head_dim; the elements behind stay
  bool inverse = false;
};

void record(CommandList& list, const KernelProfile& profile, const RotateRows& op);

}  // namespace regroup
