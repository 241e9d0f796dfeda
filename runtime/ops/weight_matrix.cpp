#include "runtime/ops/weight_matrix.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"

namespace regroup {

WeightMatrix WeightMatrix::row_range(std::uint32_t first, std::uint32_t count) const {
  REGROUP_CHECK(first % panel_rows == 0 && first + count <= rows);
  WeightMatrix view{format, count, columns, panel_rows, {}};
  for (const WeightSlice& slice : slices) {
    const std::uint32_t begin = std::max(first, slice.first_row);
    const std::uint32_t end = std::min(first + count, slice.first_row + slice.rows);
    if (begin >= end) continue;
    view.slices.push_back(
        {slice.panels, slice.skip_panels + (begin - slice.first_row) / panel_rows, begin - first, end - begin});
  }
  return view;
}

WeightMatrix allocate_matrix(Device& device, Arena& arena, const PanelLayout& layout, std::string_view name) {
  const DeviceFeatures& limits = device.features();
  // Texel views count 16-byte texels; a device whose texel limit is small never reads weights through them.
  constexpr std::uint64_t kUsefulTexels = 1u << 24;
  std::uint64_t limit = std::min(limits.max_storage_buffer_range, limits.max_allocation_bytes);
  if (limits.max_texel_elements >= kUsefulTexels) limit = std::min(limit, limits.max_texel_elements * 16);
  std::uint64_t panels_per_slice = limit / layout.panel_bytes();
  // Cuts at multiples of 32 rows where panels are lower: pairs of rows (gate and up) and heads stay together.
  constexpr std::uint32_t kCutRows = 32;
  const std::uint32_t panels_per_cut = std::max(1u, kCutRows / layout.panel_rows);
  if (panels_per_slice < layout.panels() && panels_per_slice >= panels_per_cut) {
    panels_per_slice -= panels_per_slice % panels_per_cut;
  }
  if (panels_per_slice == 0) {
    throw_error(ErrorCode::kOutOfMemory,
                "{}: one panel of {} rows takes {} bytes, more than this device's buffers hold ({})", name,
                layout.panel_rows, layout.panel_bytes(), limit);
  }
  WeightMatrix matrix{layout.format, layout.rows, layout.columns, layout.panel_rows, {}};
  for (std::uint32_t panel = 0; panel < layout.panels();) {
    const auto count = static_cast<std::uint32_t>(std::min<std::uint64_t>(panels_per_slice, layout.panels() - panel));
    const Buffer& buffer = arena.buffer(count * layout.panel_bytes(), name);
    const std::uint32_t first_row = panel * layout.panel_rows;
    matrix.slices.push_back({buffer, 0, first_row, std::min(layout.rows - first_row, count * layout.panel_rows)});
    panel += count;
  }
  return matrix;
}

WeightMatrix upload_matrix(Device& device, Arena& arena, const PanelLayout& layout, const RowSource& source,
                           std::string_view name) {
  WeightMatrix matrix = allocate_matrix(device, arena, layout, name);
  for (const WeightSlice& slice : matrix.slices) {
    const std::uint32_t first_panel = slice.first_row / layout.panel_rows;
    const std::uint32_t panels = (slice.rows + layout.panel_rows - 1) / layout.panel_rows;
    upload_with(
        device, *slice.panels.buffer, panels * layout.panel_bytes(),
        [&](std::uint64_t offset, std::span<std::byte> piece) {
          pack_panels(layout, source, first_panel + static_cast<std::uint32_t>(offset / layout.panel_bytes()),
                      static_cast<std::uint32_t>(piece.size() / layout.panel_bytes()), piece);
        },
        layout.panel_bytes());
  }
  return matrix;
}

}  // namespace regroup
