// How a weight matrix lies in device memory: panels of rows, each a contiguous stream in the order in which a workgroup
// reads it.
//
// A matrix has `rows` x `columns`. Rows are padded (with zero weights) to a multiple of panel_rows, columns to a
// multiple of 32. Along a row, 256 columns form a super-block: first `header_chunks` chunks (scales, minima, high
// bits), then for each block of 32 columns `body_chunks` chunks. A chunk is 16 bytes (a uvec4). The last super-block of
// a row may hold fewer than 8 blocks.
//
//   panel p:  super-block 0                                              super-block 1 ...
//             header 0 of rows 0..P-1 | header 1 of rows 0..P-1 | ...    block 0 chunk 0 of rows 0..P-1 | block 0 chunk
//             1 of ...
//
// With P = panel_rows, H = header_chunks, C = body_chunks, B = columns_padded/32 blocks, S = ceil(B/8) super-blocks, in
// units of chunks:
//   panel_chunks                 = (S*H + B*C) * P
//   super-block s starts at        p*panel_chunks + s*(H + 8*C)*P
//   header h of row r              ... + h*P + slot(r)
//   chunk c of block b (0..7)      ... + H*P + (b*C + c)*P + slot(r)
// P is the one layout parameter (subgroup size x row groups on CPU drivers; 1 = row-major, for lanes along columns).
// slot(r) = r in low panels. High ones deal their rows out, slot(r) = r % 4 * P/4 + r / 4: lane l of P/4 owns rows 4l
// to 4l + 3, which it stores in one piece, and yet each of its four loads reads side by side with its neighbours'.
// Texel loads stream a matrix from memory 14 to 19 % faster so (bench_linear, 49152 x 576); storage-buffer loads, whose
// lanes prefer a run of their own, use low panels.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/formats/weight_format.h"

namespace regroup {

// Panels of this many rows and more deal them out.
constexpr std::uint32_t kDealtPanelRows = 32;

struct PanelLayout {
  WeightFormat format;
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t panel_rows;

  std::uint32_t blocks() const { return (columns + 31) / 32; }
  std::uint32_t super_blocks() const { return (blocks() + 7) / 8; }
  std::uint32_t panels() const { return (rows + panel_rows - 1) / panel_rows; }
  // Where row r (0 .. panel_rows - 1) of a panel stands among its chunks.
  std::uint32_t slot(std::uint32_t r) const {
    return panel_rows >= kDealtPanelRows && panel_rows % 4 == 0 ? r % 4 * (panel_rows / 4) + r / 4 : r;
  }
  std::uint64_t panel_chunks() const {
    const WeightFormatInfo& info = format_info(format);
    return (std::uint64_t{super_blocks()} * info.header_chunks + std::uint64_t{blocks()} * info.body_chunks) *
           panel_rows;
  }
  std::uint64_t panel_bytes() const { return panel_chunks() * 16; }
  std::uint64_t bytes() const { return panel_bytes() * panels(); }

  // Panels first_panel .. first_panel + panel_count - 1 as a matrix of their own (to split a matrix that no single
  // buffer can hold): its rows are those from first_panel * panel_rows on, its bytes lie at first_panel * panel_bytes()
  // of the whole.
  PanelLayout slice(std::uint32_t first_panel, std::uint32_t panel_count) const {
    const std::uint32_t first_row = std::min(rows, first_panel * panel_rows);
    return {format, std::min(rows - first_row, panel_count * panel_rows), columns, panel_rows};
  }
};

// Repacks file rows into panels first_panel .. first_panel + panel_count - 1. `source(row)` gives the file bytes of a
// row of the matrix (so that rows may be permuted or come from several tensors); it is asked only for rows <
// layout.rows. `out` holds panel_count * layout.panel_bytes() bytes and is written completely. Safe to call from
// several threads for different panels.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual std::span<const std::byte> row(std::uint32_t index) const = 0;
};
void pack_panels(const PanelLayout& layout, const RowSource& source, std::uint32_t first_panel,
                 std::uint32_t panel_count, std::span<std::byte> out);

// The weight at (row, column) read back from packed panels: the host's statement of what the device decodes, for tests.
float packed_weight(const PanelLayout& layout, std::span<const std::byte> panels, std::uint32_t row,
                    std::uint32_t column);

}  // namespace regroup
