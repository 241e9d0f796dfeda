// Records the soft cap of logits, see sampling.h and shaders/sampling/soft_cap.h.

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/sampling.h"
#include "shaders/sampling/soft_cap.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const SoftCap& op) {
  check_rows(op.logits, op.tokens, op.columns);
  REGROUP_CHECK(op.cap > 0);
  const std::uint32_t lanes = profile.shape == ProductShape::kColumnsPerLane ? 128 : profile.lanes;
  const shader::SoftCapConstants constants{.workgroup_size = lanes};
  const shader::SoftCapPush push{.chunks = (op.columns + 3) / 4,
                                 .offset = op.logits.offset / 4,
                                 .stride = op.logits.stride / 4,
                                 .cap = op.cap,
                                 .reciprocal = 1.0f / op.cap};
  // Wide enough for any GPU; a CPU driver pays for each workgroup's start, so that its invocations take at least 16
  // chunks.
  const std::uint32_t chunks_per_lane = profile.shape == ProductShape::kColumnsPerLane ? 2 : 16;
  const std::uint32_t per_group = lanes * chunks_per_lane;
  const Groups groups{.x = std::clamp((push.chunks + per_group - 1) / per_group, 1u, 1024u), .y = op.tokens};
  const Kernel& kernel = list.device().kernel(profile.texel_loads ? "soft_cap_texel" : "soft_cap", as_words(constants));
  const double elements = double{1} * op.tokens * op.columns;
  list.dispatch(kernel, {{0, whole_chunks(op.logits.buffer)}, {1, whole_chunks(op.logits.buffer)}}, as_words(push),
                groups, {.bytes = 8 * elements, .flops = 20 * elements}, "soft_cap");
}

}  // namespace regroup
