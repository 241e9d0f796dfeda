#include "runtime/ops/gated_activation.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_grid.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/activation/gated_product.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const GatedProduct& op) {
  check_rows(op.gate, op.tokens, op.columns);
  check_rows(op.up, op.tokens, op.columns);
  check_rows(op.y, op.tokens, op.columns);
  REGROUP_CHECK(op.activation != GatedActivation::kNone);
  const shader::GatedProductConstants constants{.workgroup_size = profile.lanes,
                                                .gelu_tanh = op.activation == GatedActivation::kGeluTanh ? 1u : 0u,
                                                .chunks_each = chunks_each(profile)};
  const Kernel& kernel = list.device().kernel("gated_product", as_words(constants));
  const std::uint32_t chunks = (op.columns + 3) / 4;
  const shader::GatedProductPush push{.chunks = chunks,
                                      .gate_offset = op.gate.offset / 4,
                                      .gate_stride = op.gate.stride / 4,
                                      .up_offset = op.up.offset / 4,
                                      .up_stride = op.up.stride / 4,
                                      .y_offset = op.y.offset / 4,
                                      .y_stride = op.y.stride / 4};
  const double elements = double{1} * op.tokens * op.columns;
  list.dispatch(kernel,
                {{0, whole_chunks(op.gate.buffer)}, {1, whole_chunks(op.up.buffer)}, {2, whole_chunks(op.y.buffer)}},
                as_words(push), chunk_grid(profile, chunks, op.tokens),
                {.bytes = 12 * elements, .flops = 20 * elements}, "gated_product");
}

}  // namespace regroup
