#include "runtime/ops/compare_logits.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/sampling/compare_logits.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const CompareLogits& op) {
  check_rows(op.baseline, op.rows, op.columns);
  check_rows(op.logits, op.rows, op.columns);
  REGROUP_CHECK(op.targets && op.targets.size_bytes >= op.rows * std::uint64_t{4});
  REGROUP_CHECK(op.scores && op.scores.size_bytes >= op.rows * sizeof(ComparedRow));
  // One row is one workgroup, see RmsNorm.
  std::uint32_t lanes = profile.shape == ProductShape::kColumnsPerLane ? 128 : profile.lanes;
  // lavapipe silently ends an invocation after 65535 loop trips; a row is walked twice in chunks of four.
  constexpr std::uint32_t kMostChunksEach = 30000;
  while (lanes < 128 && op.columns / 4 / lanes > kMostChunksEach) lanes *= 2;
  REGROUP_CHECK(op.columns / 4 / lanes <= kMostChunksEach);
  const shader::CompareLogitsConstants constants{.workgroup_size = lanes};
  const shader::CompareLogitsPush push{.columns = op.columns,
                                       .baseline_offset = op.baseline.offset / 4,
                                       .baseline_stride = op.baseline.stride / 4,
                                       .logits_offset = op.logits.offset / 4,
                                       .logits_stride = op.logits.stride / 4};
  const double elements = double{1} * op.rows * op.columns;
  list.dispatch(
      list.device().kernel("compare_logits", as_words(constants)),
      {{0, whole_chunks(op.baseline.buffer)}, {1, whole_chunks(op.logits.buffer)}, {2, op.targets}, {3, op.scores}},
      as_words(push), {.x = op.rows}, {.bytes = 16 * elements, .flops = 24 * elements}, "compare_logits");
}

}  // namespace regroup
