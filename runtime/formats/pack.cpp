// Rows of weights to the panels of the device layout, and one weight back out of them (panel_layout.h).
#include <algorithm>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/panel_layout.h"

namespace regroup {
namespace {

// Bytes from the start of a panel to super-block `index`.
std::size_t super_block_offset(const PanelLayout& layout, std::uint32_t index) {
  const WeightFormatInfo& info = format_info(layout.format);
  return std::size_t{index} * (info.header_chunks + 8 * info.body_chunks) * layout.panel_rows * kChunkBytes;
}

}  // namespace

void pack_panels(const PanelLayout& layout, const RowSource& source, std::uint32_t first_panel,
                 std::uint32_t panel_count, std::span<std::byte> out) {
  const WeightFormatInfo& info = format_info(layout.format);
  const FormatCodec& codec = format_codec(layout.format);
  REGROUP_CHECK(layout.panel_rows > 0);
  REGROUP_CHECK(panel_count <= layout.panels() && first_panel <= layout.panels() - panel_count);
  REGROUP_CHECK(out.size() == panel_count * layout.panel_bytes());
  const std::size_t bytes_per_row = row_bytes(layout.format, layout.columns);
  const std::size_t stride = layout.panel_rows * kChunkBytes;

  std::vector<const std::byte*> rows(layout.panel_rows);
  for (std::uint32_t panel = 0; panel < panel_count; ++panel) {
    const std::uint32_t first_row = (first_panel + panel) * layout.panel_rows;
    const std::uint32_t row_count = std::min(layout.panel_rows, layout.rows - first_row);
    for (std::uint32_t r = 0; r < row_count; ++r) {
      const std::span<const std::byte> row = source.row(first_row + r);
      REGROUP_CHECK(row.size() == bytes_per_row);
      rows[r] = row.data();
    }
    std::byte* const panel_start = out.data() + panel * layout.panel_bytes();
    // Zero chunks decode to zero weights.
    if (row_count < layout.panel_rows) std::fill_n(panel_start, layout.panel_bytes(), std::byte{0});
    // Super-blocks outside, rows inside: the output is written nearly in order, whatever panel_rows is.
    for (std::uint32_t s = 0; s < layout.super_blocks(); ++s) {
      const std::uint32_t columns = std::min(256u, layout.columns - 256 * s);
      const std::size_t source_offset = std::size_t{256} * s / info.block_elements * info.block_bytes;
      std::byte* const start = panel_start + super_block_offset(layout, s);
      for (std::uint32_t r = 0; r < row_count; ++r) {
        codec.pack(rows[r] + source_offset, columns, ChunkWriter(start + layout.slot(r) * kChunkBytes, stride));
      }
    }
  }
}

float packed_weight(const PanelLayout& layout, std::span<const std::byte> panels, std::uint32_t row,
                    std::uint32_t column) {
  REGROUP_CHECK(row < layout.panels() * layout.panel_rows && column < 32 * layout.blocks());
  REGROUP_CHECK(panels.size() >= layout.bytes());
  const std::byte* start = panels.data() + row / layout.panel_rows * layout.panel_bytes() +
                           super_block_offset(layout, column / 256) +
                           layout.slot(row % layout.panel_rows) * kChunkBytes;
  return format_codec(layout.format)
      .unpack(ChunkReader(start, layout.panel_rows * kChunkBytes), column % 256 / 32, column % 32);
}

}  // namespace regroup
