#include "runtime/ops/rms_norm.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/norm/rms_norm.h"

namespace regroup {
namespace {

std::string_view kernel_name(const KernelProfile& profile) {
  if (profile.texel_loads) return "rms_norm_texel";
  const bool adds_in_subgroups =
      profile.shape == ProductShape::kColumnsPerLane && profile.reduction == Reduction::kSubgroup;
  return adds_in_subgroups ? "rms_norm_subgroup" : "rms_norm";
}

}  // namespace

void record(CommandList& list, const KernelProfile& profile, const RmsNorm& op) {
  check_rows(op.x, op.tokens, op.columns);
  check_rows(op.y, op.tokens, op.columns);
  REGROUP_CHECK(op.gain && op.gain.size_bytes >= op.columns * std::uint64_t{4});
  // One token is one workgroup: GPUs need it wide, CPU drivers run a workgroup on one core and pay for each invocation
  // at the barrier.
  const std::uint32_t lanes = profile.shape == ProductShape::kColumnsPerLane ? 128 : profile.lanes;
  const shader::RmsNormConstants constants{.workgroup_size = lanes, .accumulate = op.accumulate ? 1u : 0u};
  const Kernel& kernel = list.device().kernel(kernel_name(profile), as_words(constants));
  const shader::RmsNormPush push{.columns = op.columns,
                                 .epsilon = op.epsilon,
                                 .x_offset = op.x.offset / 4,
                                 .x_stride = op.x.stride / 4,
                                 .y_offset = op.y.offset / 4,
                                 .y_stride = op.y.stride / 4};
  const double elements = double{1} * op.tokens * op.columns;
  list.dispatch(kernel, {{0, whole_chunks(op.x.buffer)}, {1, whole_chunks(op.gain)}, {2, whole_chunks(op.y.buffer)}},
                as_words(push), {.x = op.tokens}, {.bytes = 12 * elements, .flops = 4 * elements}, "rms_norm");
}

}  // namespace regroup
