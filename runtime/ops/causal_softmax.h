// Causal attention weights that are kept, and the way back through them: what passes that go backward, or that compare
// logits under given weights, need beside matrix products.
#pragma once

#include "runtime/gpu/command_list.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

// Square matrices of logits or weights, one after the other: row s of matrix b begins at offset + (b * length + s) *
// stride. Row s is what query s sees of positions t <= s; past the chunk of four that holds t = s anything may stand.
struct CausalMatrices {
  BufferView buffer;
  std::uint32_t offset = 0;  // a multiple of 4
  std::uint32_t batches = 0;
  std::uint32_t length = 0;
  std::uint32_t stride = 0;  // a multiple of 4, >= length
};

// weights[b, s, t] = softmax over t of logits[b, s, t], in place; 0 in the rest of the diagonal's chunk of four.
struct CausalSoftmax {
  CausalMatrices logits;
  std::uint32_t window = 0;  // > 0: only t > s - window are seen, the weights of the others are 0
};
void record(CommandList& list, const KernelProfile& profile, const CausalSoftmax& op);

// gradient := weights * (gradient - sum over t of weights * gradient), row by row and in place: the gradient of the
// logits from that of the weights; and, of logit errors, what the derivative of their variance under the weights is.
struct SoftmaxBackward {
  CausalMatrices weights;   // as CausalSoftmax leaves them
  CausalMatrices gradient;  // alike
};
void record(CommandList& list, const KernelProfile& profile, const SoftmaxBackward& op);

}  // namespace regroup
