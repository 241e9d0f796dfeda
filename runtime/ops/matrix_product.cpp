#include "runtime/ops/matrix_product.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/matrix/matrix_product.h"

namespace regroup {
namespace {

// One kernel of shaders/matrix/kernels.def without its transpositions, and the tile of a workgroup.
struct Variant {
  std::string_view name;
  std::uint32_t rows;
  std::uint32_t columns;
};

Variant variant_of(const KernelProfile& profile) {
  if (profile.shape == ProductShape::kColumnsPerLane) return {"matrix_product_tile", 64, 64};
  if (profile.texel_loads) return {"matrix_product_texel", 8, 32};
  if (profile.broadcast == Broadcast::kLoad) return {"matrix_product_plain", 4, 32};
  return {"matrix_product_ssbo", 4, 16};
}

std::uint32_t tiles(std::uint32_t elements, std::uint32_t tile) {
  return (elements + tile - 1) / tile;
}

// That every element of the batch lies in the view, at 32-bit offsets.
void check(const MatrixView& view, const MatrixProduct& op, std::uint32_t rows, std::uint32_t columns, bool operand) {
  REGROUP_CHECK(view.buffer && view.divisor > 0 && (operand || view.divisor == 1));
  REGROUP_CHECK(rows == 1 || view.stride >= columns);
  if (operand) {
    REGROUP_CHECK(view.offset % 4 == 0 && view.stride % 4 == 0);
    REGROUP_CHECK(view.outer_stride % 4 == 0 && view.inner_stride % 4 == 0);
  }
  const std::uint64_t outer = op.batches / op.inner_batches - 1, inner = (op.inner_batches - 1) / view.divisor;
  const std::uint64_t end = view.offset + outer * view.outer_stride + inner * view.inner_stride +
                            std::uint64_t{rows - 1} * view.stride + columns;
  REGROUP_CHECK(end <= UINT32_MAX);
  REGROUP_CHECK(end * 4 <= view.buffer.size_bytes);
}

void check(const MatrixProduct& op) {
  REGROUP_CHECK(op.rows > 0 && op.columns > 0 && op.depth > 0);
  REGROUP_CHECK(op.inner_batches > 0 && op.batches > 0 && op.batches % op.inner_batches == 0);
  REGROUP_CHECK(!(op.left_transposed && op.right_transposed));
  REGROUP_CHECK(op.triangle != Triangle::kResultLower || op.rows == op.columns);
  REGROUP_CHECK(op.triangle != Triangle::kLeftLower || op.rows == op.depth);
  // lavapipe silently ends an invocation after 65535 loop trips; the GPU kernel makes 48 for 16 of the depth.
  REGROUP_CHECK(op.depth <= 20000 || op.triangle == Triangle::kNone);
  check(op.left, op, op.left_transposed ? op.depth : op.rows, op.left_transposed ? op.rows : op.depth, true);
  check(op.right, op, op.right_transposed ? op.columns : op.depth, op.right_transposed ? op.depth : op.columns, true);
  check(op.result, op, op.rows, op.columns, false);
}

const Kernel& kernel_of(Device& device, const Variant& variant, const MatrixProduct& op) {
  const std::uint32_t result_bits =
      op.result.offset | op.result.stride | op.result.outer_stride | op.result.inner_stride;
  const bool whole = op.rows % variant.rows == 0 && op.columns % variant.columns == 0 && result_bits % 4 == 0;
  const shader::MatrixProductConstants constants{.whole_tiles = whole ? 1u : 0u, .accumulates = op.beta != 0 ? 1u : 0u};
  return device.kernel(
      fmt::format("{}_{}{}", variant.name, op.left_transposed ? "t" : "n", op.right_transposed ? "t" : "n"),
      as_words(constants));
}

// All of the depth at once, in dispatches that fit the submission budget.
void record_depth(CommandList& list, const Variant& variant, const MatrixProduct& op) {
  const Kernel& kernel = kernel_of(list.device(), variant, op);
  shader::MatrixProductPush push{};
  push.rows = op.rows;
  push.columns = op.columns;
  push.depth = op.depth;
  push.flags = static_cast<std::uint32_t>(op.triangle);
  push.alpha = op.alpha;
  push.beta = op.beta;
  push.inner_batches = op.inner_batches;
  push.a_offset = op.left.offset;
  push.a_stride = op.left.stride;
  push.a_outer_stride = op.left.outer_stride;
  push.a_inner_stride = op.left.inner_stride;
  push.a_divisor = op.left.divisor;
  push.b_offset = op.right.offset;
  push.b_stride = op.right.stride;
  push.b_outer_stride = op.right.outer_stride;
  push.b_inner_stride = op.right.inner_stride;
  push.b_divisor = op.right.divisor;
  push.c_offset = op.result.offset;
  push.c_stride = op.result.stride;
  push.c_outer_stride = op.result.outer_stride;
  push.c_inner_stride = op.result.inner_stride;

  const std::uint32_t row_tiles = tiles(op.rows, variant.rows), column_tiles = tiles(op.columns, variant.columns);
  // Whole batches in a dispatch where they fit, otherwise parts of one.
  const double half = op.triangle == Triangle::kNone ? 1.0 : 0.5;
  const auto work_of = [&](double batches, double rows) {
    const double elements = rows * op.depth + double{1} * op.depth * op.columns + 2 * rows * op.columns;
    return Work{.bytes = 4 * batches * elements * half, .flops = 2 * batches * half * rows * op.columns * op.depth};
  };
  constexpr std::uint32_t kMaxGroups = 65535;
  const SubmitBudget& budget = list.device().budget();
  const double batch_ms = budget.estimate_ms(work_of(1, op.rows));
  const auto batches_each = static_cast<std::uint32_t>(
      std::clamp(std::floor(budget.max_ms() / batch_ms), 1.0, static_cast<double>(std::min(op.batches, kMaxGroups))));
  const double parts = std::clamp(std::ceil(batch_ms / budget.max_ms()), 1.0, static_cast<double>(row_tiles));
  const auto tiles_each =
      std::min(kMaxGroups, static_cast<std::uint32_t>(std::ceil(static_cast<double>(row_tiles) / parts)));
  for (std::uint32_t batch = 0; batch < op.batches; batch += batches_each) {
    const std::uint32_t batches = std::min(batches_each, op.batches - batch);
    for (std::uint32_t tile = 0; tile < row_tiles; tile += tiles_each) {
      const std::uint32_t count = std::min(tiles_each, row_tiles - tile);
      push.first_batch = batch;
      push.first_row_tile = tile;
      const double rows = std::min(double{1} * count * variant.rows, double{1} * op.rows);
      list.dispatch(
          kernel,
          {{0, whole_chunks(op.left.buffer)}, {1, whole_chunks(op.right.buffer)}, {2, whole_chunks(op.result.buffer)}},
          as_words(push), {count, column_tiles, batches}, work_of(batches, rows), "matrix_product");
    }
  }
}

}  // namespace

void record(CommandList& list, const KernelProfile& profile, const MatrixProduct& op) {
  check(op);
  const Variant variant = variant_of(profile);
  // A long depth with both operands walked row by row (weights' gradients over all tokens) is taken in pieces that stay
  // in a CPU's cache while all tiles pass over them; on every device, pieces keep the sums of thousands of terms exact.
  constexpr std::uint32_t kDepthPiece = 512;
  const bool in_pieces = op.left_transposed && op.triangle == Triangle::kNone && op.depth > kDepthPiece;
  if (!in_pieces) return record_depth(list, variant, op);
  for (std::uint32_t first = 0; first < op.depth; first += kDepthPiece) {
    MatrixProduct piece = op;
    piece.depth = std::min(kDepthPiece, op.depth - first);
    piece.left.offset += first * op.left.stride;
    piece.right.offset += first * op.right.stride;
    if (first > 0) piece.beta = 1;
    record_depth(list, variant, piece);
  }
}

}  // namespace regroup
