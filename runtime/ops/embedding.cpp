#include "runtime/ops/embedding.h"

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/embedding/embedding.h"

namespace regroup {

void record(CommandList& list, const KernelProfile& profile, const Embedding& op) {
  const WeightMatrix& table = op.table;
  check_rows(op.y, op.token_count, table.columns);
  REGROUP_CHECK(op.tokens && op.tokens.size_bytes >= op.token_count * std::uint64_t{4});
  const shader::EmbeddingConstants constants{.workgroup_size = profile.lanes};
  const Kernel& kernel =
      list.device().kernel(fmt::format("embedding_{}", format_info(table.format).name), as_words(constants));
  const PanelLayout layout = table.layout();
  const double read_bytes = static_cast<double>(layout.panel_bytes()) / layout.panel_rows;
  for (const WeightSlice& slice : table.slices) {
    const shader::EmbeddingPush push{.first_row = slice.first_row,
                                     .rows = slice.rows,
                                     .skip_rows = slice.skip_panels * table.panel_rows,
                                     .panel_rows = table.panel_rows,
                                     .columns = table.columns,
                                     .y_offset = op.y.offset / 4,
                                     .y_stride = op.y.stride / 4,
                                     .scale = op.scale};
    list.dispatch(kernel, {{0, slice.panels}, {1, op.tokens}, {2, whole_chunks(op.y.buffer)}}, as_words(push),
                  {.x = (layout.blocks() + profile.lanes - 1) / profile.lanes, .y = op.token_count},
                  {.bytes = op.token_count * (read_bytes + 4.0 * table.columns)}, "embedding");
  }
}

}  // namespace regroup
