#include "runtime/ops/norm_backward.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/row_grid.h"
#include "shaders/training/norm_backward.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const NormBackward& op) {
  for (const Activations* rows : {&op.x, &op.dy, &op.dx}) check_rows(*rows, op.rows, op.columns);
  REGROUP_CHECK(op.gain && op.gain.size_bytes >= op.columns * std::uint64_t{4});
  REGROUP_CHECK(op.columns <= 100000);  // lavapipe silently ends an invocation after 65535 loop trips
  const Groups grid = row_grid(profile, op.rows);
  const shader::NormBackwardPush push{.rows = op.rows,
                                      .columns = op.columns,
                                      .epsilon = op.epsilon,
                                      .x_offset = op.x.offset / 4,
                                      .x_stride = op.x.stride / 4,
                                      .dy_offset = op.dy.offset / 4,
                                      .dy_stride = op.dy.stride / 4,
                                      .dx_offset = op.dx.offset / 4,
                                      .dx_stride = op.dx.stride / 4,
                                      .groups_x = grid.x};
  const Kernel& kernel =
      list.device().kernel(row_kernel(profile, "norm_backward", "norm_backward_row", "norm_backward_row_texel"));
  const double elements = double{1} * op.rows * op.columns;
  list.dispatch(kernel,
                {{0, whole_chunks(op.x.buffer)},
                 {1, whole_chunks(op.dy.buffer)},
                 {2, whole_chunks(op.gain)},
                 {3, whole_chunks(op.dx.buffer)}},
                as_words(push), grid, {.bytes = 24 * elements, .flops = 10 * elements}, "norm_backward");
}

}  // namespace regroup
