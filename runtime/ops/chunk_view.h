// Views of f32 rows as chunks of four, as kernels read them.
#pragma once

#include "runtime/core/error.h"
#include "runtime/ops/linear.h"

namespace regroup {

// The view with its end moved up to a multiple of 16 bytes, which texel views and vec4 loads need (buffers are such
// multiples).
inline BufferView whole_chunks(BufferView view) {
  view.size_bytes = (view.size_bytes + 15) / 16 * 16;
  return view;
}

// Throws (our own mistake) unless rows 0 .. tokens-1 of `columns` elements lie in the buffer at multiples of four
// elements.
inline void check_rows(const Activations& rows, std::uint32_t tokens, std::uint32_t columns) {
  REGROUP_CHECK(rows.buffer);
  REGROUP_CHECK(rows.offset % 4 == 0 && rows.stride % 4 == 0 && tokens > 0 && columns > 0);
  REGROUP_CHECK(tokens == 1 || rows.stride >= columns);
  const std::uint64_t end = rows.offset + std::uint64_t{tokens - 1} * rows.stride + columns;
  REGROUP_CHECK(end * 4 <= rows.buffer.size_bytes);
}

}  // namespace regroup
