// Token embedding: y[t, :] = scale * table[tokens[t], :], decoded from any weight format, also when the table is cut
// into slices.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct Embedding {
  WeightMatrix table;  // [vocabulary, hidden]
  BufferView tokens;   // [tokens] u32, each < vocabulary (checked by the host for prompts, by the sampler's argmax for
                       // the rest)
  Activations y;       // [tokens, hidden]
  std::uint32_t token_count = 1;
  float scale = 1.0f;
};

void record(CommandList& list, const KernelProfile& profile, const Embedding& op);

}  // namespace regroup
