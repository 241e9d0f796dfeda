#include "runtime/ops/causal_softmax.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/row_grid.h"
#include "shaders/training/causal_softmax.h"
#include "shaders/training/softmax_backward.h"

namespace regroup {
namespace {

BufferView checked_view(const CausalMatrices& m) {
  REGROUP_CHECK(m.buffer && m.batches > 0 && m.length > 0);
  REGROUP_CHECK(m.offset % 4 == 0 && m.stride % 4 == 0 && m.stride >= m.length);
  // lavapipe silently ends an invocation after 65535 loop trips; a row is walked twice in chunks of four.
  REGROUP_CHECK(m.length <= 100000);
  const std::uint64_t floats = std::uint64_t{m.batches} * m.length * m.stride;
  REGROUP_CHECK((m.offset + floats) * 4 <= m.buffer.size_bytes && m.offset + floats <= UINT32_MAX);
  return whole_chunks(m.buffer);
}

double elements(const CausalMatrices& m) {
  return 0.5 * m.batches * m.length * m.length;
}

}  // namespace

void record(CommandList& list, const KernelProfile& profile, const CausalSoftmax& op) {
  const CausalMatrices& m = op.logits;
  const BufferView view = checked_view(m);
  const Groups grid = row_grid(profile, std::uint64_t{m.batches} * m.length);
  const shader::CausalSoftmaxPush push{.rows = m.batches * m.length,
                                       .positions = m.length,
                                       .stride = m.stride / 4,
                                       .window = op.window,
                                       .offset = m.offset / 4,
                                       .groups_x = grid.x};
  const Kernel& kernel =
      list.device().kernel(row_kernel(profile, "causal_softmax", "causal_softmax_row", "causal_softmax_row"));
  list.dispatch(kernel, {{0, view}}, as_words(push), grid, {.bytes = 12 * elements(m), .flops = 20 * elements(m)},
                "causal_softmax");
}

void record(CommandList& list, const KernelProfile& profile, const SoftmaxBackward& op) {
  const CausalMatrices& m = op.gradient;
  REGROUP_CHECK(op.weights.batches == m.batches && op.weights.length == m.length && op.weights.stride == m.stride);
  const BufferView weights = checked_view(op.weights), gradient = checked_view(m);
  const Groups grid = row_grid(profile, std::uint64_t{m.batches} * m.length);
  const shader::SoftmaxBackwardPush push{.rows = m.batches * m.length,
                                         .positions = m.length,
                                         .stride = m.stride / 4,
                                         .weights_offset = op.weights.offset / 4,
                                         .gradient_offset = m.offset / 4,
                                         .groups_x = grid.x};
  const Kernel& kernel = list.device().kernel(
      row_kernel(profile, "softmax_backward", "softmax_backward_row", "softmax_backward_row_texel"));
  list.dispatch(kernel, {{0, weights}, {1, gradient}}, as_words(push), grid,
                {.bytes = 20 * elements(m), .flops = 5 * elements(m)}, "softmax_backward");
}

}  // namespace regroup
