// How far rows are from others: errors[t] = (sum of (a - b)^2, sum of b^2) over the columns of row t.
#pragma once

#include "runtime/ops/linear.h"

namespace regroup {

struct RowError {
  Activations a;      // [rows, columns]
  Activations b;      // [rows, columns]: what a should be
  BufferView errors;  // [rows] pairs of f32
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
};

void record(CommandList& list, const KernelProfile& profile, const RowError& op);

}  // namespace regroup
