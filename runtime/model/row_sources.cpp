#include "runtime/model/row_sources.h"

#include "runtime/core/error.h"

namespace regroup {

TensorRows::TensorRows(const FileTensor& tensor)
    : bytes_(tensor.bytes), row_bytes_(regroup::row_bytes(tensor.format, tensor.columns())) {}

std::span<const std::byte> TensorRows::row(std::uint32_t index) const {
  return bytes_.subspan(std::size_t{index} * row_bytes_, row_bytes_);
}

std::span<const std::byte> StackedRows::row(std::uint32_t index) const {
  for (const Part& part : parts_) {
    if (index < part.rows) return part.source->row(index);
    index -= part.rows;
  }
  REGROUP_CHECK(false);
}

}  // namespace regroup
