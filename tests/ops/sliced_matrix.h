// Matrices cut into slices as small buffer limits would cut them.
#pragma once

#include <algorithm>
#include <vector>

#include "runtime/gpu/transfer.h"
#include "runtime/ops/weight_matrix.h"

namespace regroup::test {

// `source` in buffers of at most panels_per_slice panels each. Every buffer but the first also holds the panel before
// its slice, which the slice skips.
inline WeightMatrix sliced_matrix(Device& device, Arena& arena, const PanelLayout& layout, const RowSource& source,
                                  std::uint32_t panels_per_slice) {
  WeightMatrix matrix{layout.format, layout.rows, layout.columns, layout.panel_rows, {}};
  for (std::uint32_t panel = 0; panel < layout.panels(); panel += panels_per_slice) {
    const std::uint32_t count = std::min(panels_per_slice, layout.panels() - panel);
    const std::uint32_t skipped = panel > 0 ? 1 : 0;
    std::vector<std::byte> packed((count + skipped) * layout.panel_bytes());
    pack_panels(layout, source, panel - skipped, count + skipped, packed);
    Buffer& buffer = arena.buffer(packed.size(), "slice");
    upload(device, buffer, packed);
    const std::uint32_t first_row = panel * layout.panel_rows;
    matrix.slices.push_back({buffer, skipped, first_row, std::min(layout.rows - first_row, count * layout.panel_rows)});
  }
  return matrix;
}

}  // namespace regroup::test
