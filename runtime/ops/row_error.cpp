#include "runtime/ops/row_error.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/row_grid.h"
#include "shaders/training/row_error.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const RowError& op) {
  check_rows(op.a, op.rows, op.columns);
  check_rows(op.b, op.rows, op.columns);
  REGROUP_CHECK(op.errors && op.errors.size_bytes >= std::uint64_t{8} * op.rows);
  REGROUP_CHECK(op.columns <= 200000);  // lavapipe silently ends an invocation after 65535 loop trips
  const Groups grid = row_grid(profile, op.rows);
  const shader::RowErrorPush push{.rows = op.rows,
                                  .columns = op.columns,
                                  .a_offset = op.a.offset / 4,
                                  .a_stride = op.a.stride / 4,
                                  .b_offset = op.b.offset / 4,
                                  .b_stride = op.b.stride / 4,
                                  .groups_x = grid.x};
  const Kernel& kernel = list.device().kernel(row_kernel(profile, "row_error", "row_error_row", "row_error_row_texel"));
  const double elements = double{1} * op.rows * op.columns;
  list.dispatch(kernel, {{0, whole_chunks(op.a.buffer)}, {1, whole_chunks(op.b.buffer)}, {2, op.errors}},
                as_words(push), grid, {.bytes = 8 * elements, .flops = 5 * elements}, "row_error");
}

}  // namespace regroup
