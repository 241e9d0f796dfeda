#include "runtime/ops/divergence_backward.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/row_grid.h"
#include "shaders/training/divergence_backward.h"

namespace regroup {

// lavapipe silently ends an invocation after 65535 loop trips; a row is walked three times in chunks of four.
static_assert(3 * kMostDivergenceColumns / 4 < 65535);

void record(CommandList& list, const KernelProfile& profile, const DivergenceBackward& op) {
  check_rows(op.baseline, op.rows, op.columns);
  check_rows(op.logits, op.rows, op.columns);
  REGROUP_CHECK(op.columns <= kMostDivergenceColumns);
  const Groups grid = row_grid(profile, op.rows);
  const shader::DivergenceBackwardPush push{.rows = op.rows,
                                            .columns = op.columns,
                                            .baseline_offset = op.baseline.offset / 4,
                                            .baseline_stride = op.baseline.stride / 4,
                                            .logits_offset = op.logits.offset / 4,
                                            .logits_stride = op.logits.stride / 4,
                                            .groups_x = grid.x};
  const Kernel& kernel = list.device().kernel(
      row_kernel(profile, "divergence_backward", "divergence_backward_row", "divergence_backward_row_texel"));
  const double elements = double{1} * op.rows * op.columns;
  list.dispatch(kernel, {{0, whole_chunks(op.baseline.buffer)}, {1, whole_chunks(op.logits.buffer)}}, as_words(push),
                grid, {.bytes = 28 * elements, .flops = 60 * elements}, "divergence_backward");
}

}  // namespace regroup
