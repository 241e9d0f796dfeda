// Products of two f32 matrices that both lie on the device: what passes over training and calibration tokens are made
// of (products with a model's weights in their file formats are Linear's).
#pragma once

#include <cstdint>

#include "runtime/gpu/command_list.h"
#include "runtime/ops/kernel_profile.h"

namespace regroup {

// Row-major matrices inside a buffer, one for each pair (outer, inner) of a batch, say of a sequence and a head.
// Element (i, j) is at offset + outer * outer_stride + (inner / divisor) * inner_stride + i * stride + j, all in
// floats. In operands these are multiples of 4, and what lies between a row's end and the next multiple of 4 is finite.
struct MatrixView {
  BufferView buffer;
  std::uint32_t offset = 0;
  std::uint32_t stride = 0;
  std::uint32_t outer_stride = 0;
  std::uint32_t inner_stride = 0;
  std::uint32_t divisor = 1;  // so many neighbouring inner batches share a matrix (query heads of a KV head)
};

// Which halves of square matrices count.
enum class Triangle : std::uint32_t {
  kNone = 0,
  kResultLower = 1,  // the result above its diagonal is not needed: tiles wholly above it are not computed nor written
  kLeftLower = 2,    // `left` as stored is lower triangular; what it holds above the diagonal is not looked at
};

// result = alpha op(left) op(right) + beta result, with op(left) [rows, depth], op(right) [depth, columns]. Not both
// operands may be transposed. The result shares no element with an operand.
struct MatrixProduct {
  MatrixView left;    // stored [rows, depth], or [depth, rows] when transposed
  MatrixView right;   // stored [depth, columns], or [columns, depth] when transposed
  MatrixView result;  // [rows, columns]; divisor 1
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t depth = 0;
  bool left_transposed = false;
  bool right_transposed = false;
  std::uint32_t batches = 1;        // outer * inner
  std::uint32_t inner_batches = 1;  // divides batches
  float alpha = 1;
  float beta = 0;  // 0: the result's old values are not read
  Triangle triangle = Triangle::kNone;
};

void record(CommandList& list, const KernelProfile& profile, const MatrixProduct& op);

}  // namespace regroup
