// Where the rows of a device matrix come from: one tensor, rows permuted for rotary planes, several tensors one after
// the other or in turn.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/file/model_file.h"
#include "runtime/formats/panel_layout.h"

namespace regroup {

// The rows of one tensor as they are.
class TensorRows : public RowSource {
 public:
  explicit TensorRows(const FileTensor& tensor);
  std::span<const std::byte> row(std::uint32_t index) const override;

 private:
  std::span<const std::byte> bytes_;
  std::size_t row_bytes_;
};

// Element i of a head in the interleaved order (planes are neighbours) comes from this element of a head in the
// half-split order.
inline std::uint32_t half_split_element(std::uint32_t i, std::uint32_t rotary_dims) {
  return i < rotary_dims ? i / 2 + (i % 2) * (rotary_dims / 2) : i;
}

// Heads of a projection whose rows are half-split, read in interleaved order.
class InterleavedHeads : public RowSource {
 public:
  InterleavedHeads(const RowSource& source, std::uint32_t head_dim, std::uint32_t rotary_dims)
      : source_(source), head_dim_(head_dim), rotary_dims_(rotary_dims) {}
  std::span<const std::byte> row(std::uint32_t index) const override {
    const std::uint32_t head = index / head_dim_;
    return source_.row(head * head_dim_ + half_split_element(index % head_dim_, rotary_dims_));
  }

 private:
  const RowSource& source_;
  std::uint32_t head_dim_, rotary_dims_;
};

// One source after the other.
class StackedRows : public RowSource {
 public:
  struct Part {
    const RowSource* source;
    std::uint32_t rows;
  };
  explicit StackedRows(std::vector<Part> parts) : parts_(std::move(parts)) {}
  std::span<const std::byte> row(std::uint32_t index) const override;

 private:
  std::vector<Part> parts_;
};

// Rows 2i and 2i + 1 are row i of the first and of the second source: gate and up side by side.
class AlternatingRows : public RowSource {
 public:
  AlternatingRows(const RowSource& first, const RowSource& second) : first_(first), second_(second) {}
  std::span<const std::byte> row(std::uint32_t index) const override {
    return (index % 2 == 0 ? first_ : second_).row(index / 2);
  }

 private:
  const RowSource& first_;
  const RowSource& second_;
};

}  // namespace regroup
