// A weight matrix in device memory: packed panels (runtime/formats/panel_layout.h), cut at panel boundaries where a
// buffer limit demands it.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/formats/panel_layout.h"
#include "runtime/gpu/buffer.h"
#include "runtime/gpu/device.h"

namespace regroup {

// Consecutive whole panels in one buffer.
struct WeightSlice {
  BufferView
      panels;  // the whole buffer; starts with panel number `buffer_first_panel` of the matrix it was packed from
  std::uint32_t skip_panels;  // panels of the buffer before this slice's first
  std::uint32_t first_row;    // row of the (viewed) matrix that the slice starts with
  std::uint32_t rows;         // rows of the matrix in this slice (the last panel may be partly padding)
};

// [rows, columns]; non-owning (an Arena owns the buffers). Copying copies the view.
struct WeightMatrix {
  WeightFormat format = WeightFormat::kF32;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t panel_rows = 1;
  std::vector<WeightSlice> slices;

  PanelLayout layout() const { return {format, rows, columns, panel_rows}; }
  std::uint64_t bytes() const { return layout().bytes(); }
  // Rows first .. first+count-1 as a matrix of its own; `first` must be a multiple of panel_rows.
  WeightMatrix row_range(std::uint32_t first, std::uint32_t count) const;
};

// Packs `source` (asked for layout.rows rows) into buffers of `arena`, cut so that each respects the device's limits; a
// cut falls on a multiple of 32 rows, or of panel_rows where panels are higher, so that pairs of rows (gate and up)
// stay together.
WeightMatrix upload_matrix(Device& device, Arena& arena, const PanelLayout& layout, const RowSource& source,
                           std::string_view name);
// Buffers for a matrix whose contents a kernel will write (pooled projections); the same cuts.
WeightMatrix allocate_matrix(Device& device, Arena& arena, const PanelLayout& layout, std::string_view name);

}  // namespace regroup
