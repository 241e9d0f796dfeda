#include "runtime/ops/gate_backward.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_grid.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/training/gate_backward.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const GateBackward& op) {
  for (const Activations* rows : {&op.gate, &op.up, &op.dy}) check_rows(*rows, op.tokens, op.columns);
  REGROUP_CHECK(op.activation != GatedActivation::kNone);
  const shader::GateBackwardConstants constants{.workgroup_size = profile.lanes,
                                                .gelu_tanh = op.activation == GatedActivation::kGeluTanh ? 1u : 0u,
                                                .chunks_each = chunks_each(profile)};
  const Kernel& kernel = list.device().kernel("gate_backward", as_words(constants));
  const std::uint32_t chunks = (op.columns + 3) / 4;
  const shader::GateBackwardPush push{.chunks = chunks,
                                      .gate_offset = op.gate.offset / 4,
                                      .gate_stride = op.gate.stride / 4,
                                      .up_offset = op.up.offset / 4,
                                      .up_stride = op.up.stride / 4,
                                      .dy_offset = op.dy.offset / 4,
                                      .dy_stride = op.dy.stride / 4};
  const double elements = double{1} * op.tokens * op.columns;
  list.dispatch(kernel,
                {{0, whole_chunks(op.gate.buffer)}, {1, whole_chunks(op.up.buffer)}, {2, whole_chunks(op.dy.buffer)}},
                as_words(push), chunk_grid(profile, chunks, op.tokens),
                {.bytes = 20 * elements, .flops = 40 * elements}, "gate_backward");
}

}  // namespace regroup
