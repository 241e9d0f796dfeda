#include "runtime/ops/rotate_rows.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/training/rotate_rows.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const RotateRows& op) {
  check_rows(op.rows, op.tokens, op.heads * op.head_dim);
  REGROUP_CHECK(op.head_dim % 4 == 0 && op.rotary_dims % 2 == 0 && op.rotary_dims <= op.head_dim && op.length > 0);
  if (op.rotary_dims == 0) return;
  const std::uint32_t planes = op.rotary_dims / 2;
  REGROUP_CHECK(op.table && std::uint64_t{8} * std::min(op.length, op.tokens) * planes <= op.table.size_bytes);
  // On CPU drivers a workgroup costs as much as some 40 elements.
  const std::uint32_t chunks_each = profile.shape == ProductShape::kRowPerLane ? 16 : 1;
  const shader::RotateRowsConstants constants{.workgroup_size = profile.lanes, .chunks_each = chunks_each};
  const Kernel& kernel = list.device().kernel("rotate_rows", as_words(constants));
  shader::RotateRowsPush push{.chunks = op.heads * op.head_dim / 4,
                              .head_chunks = op.head_dim / 4,
                              .planes = planes,
                              .positions = op.length,
                              .offset = op.rows.offset / 4,
                              .stride = op.rows.stride / 4,
                              .turn = op.inverse ? -1.0f : 1.0f};
  const std::uint32_t per_workgroup = chunks_each * profile.lanes;
  constexpr std::uint32_t kMaxGroups = 65535;
  for (std::uint32_t first = 0; first < op.tokens; first += kMaxGroups) {
    const std::uint32_t tokens = std::min(kMaxGroups, op.tokens - first);
    push.first_token = first;
    const double elements = double{1} * tokens * op.heads * op.head_dim;
    list.dispatch(kernel, {{0, whole_chunks(op.rows.buffer)}, {1, op.table}}, as_words(push),
                  {.x = (push.chunks + per_workgroup - 1) / per_workgroup, .y = tokens},
                  {.bytes = 10 * elements, .flops = 3 * elements}, "rotate_rows");
  }
}

}  // namespace regroup
