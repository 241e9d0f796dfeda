#include "converter/training/attention_products.h"

#include "runtime/core/error.h"
#include "runtime/ops/rotate_rows.h"

namespace regroup {
namespace {

MatrixView plain(const Activations& rows) {
  return {.buffer = rows.buffer, .offset = rows.offset, .stride = rows.stride};
}
MatrixView plain(const DeviceWeights& w) {
  return {.buffer = w.buffer, .stride = w.columns};
}
// Heads of activations, one sequence after the other.
MatrixView heads(const SequenceShape& shape, const Activations& rows, std::uint32_t shared_by = 1) {
  return {.buffer = rows.buffer,
          .offset = rows.offset,
          .stride = rows.stride,
          .outer_stride = shape.length * rows.stride,
          .inner_stride = shape.head_dim,
          .divisor = shared_by};
}
MatrixView square_of_heads(const SequenceShape& shape, const BufferView& squares) {
  const std::uint32_t square = shape.length * shape.row_stride();
  return {.buffer = squares,
          .stride = shape.row_stride(),
          .outer_stride = shape.query_heads * square,
          .inner_stride = square};
}

CausalMatrices causal(const SequenceShape& shape, const BufferView& squares) {
  return {.buffer = squares,
          .batches = shape.sequences * shape.query_heads,
          .length = shape.length,
          .stride = shape.row_stride()};
}

}  // namespace

void AttentionProducts::project(const Activations& x, const DeviceWeights& w, const Activations& y,
                                std::uint32_t tokens, float alpha, float beta) {
  record(list_, profile_,
         MatrixProduct{.left = plain(x),
                       .right = plain(w),
                       .result = plain(y),
                       .rows = tokens,
                       .columns = w.rows,
                       .depth = w.columns,
                       .right_transposed = true,
                       .alpha = alpha,
                       .beta = beta});
}

void AttentionProducts::project_back(const Activations& dy, const DeviceWeights& w, const Activations& dx,
                                     std::uint32_t tokens, float alpha, float beta) {
  record(list_, profile_,
         MatrixProduct{.left = plain(dy),
                       .right = plain(w),
                       .result = plain(dx),
                       .rows = tokens,
                       .columns = w.columns,
                       .depth = w.rows,
                       .alpha = alpha,
                       .beta = beta});
}

void AttentionProducts::weight_gradient(const Activations& dy, const Activations& x, const DeviceWeights& dw,
                                        std::uint32_t tokens, float alpha, float beta) {
  record(list_, profile_,
         MatrixProduct{.left = plain(dy),
                       .right = plain(x),
                       .result = plain(dw),
                       .rows = dw.rows,
                       .columns = dw.columns,
                       .depth = tokens,
                       .left_transposed = true,
                       .alpha = alpha,
                       .beta = beta});
}

void AttentionProducts::pair(const SequenceShape& shape, const Activations& a, const Activations& b,
                             const BufferView& squares, float alpha, float beta) {
  record(list_, profile_,
         MatrixProduct{.left = heads(shape, a),
                       .right = heads(shape, b, shape.queries_per_kv_head()),
                       .result = square_of_heads(shape, squares),
                       .rows = shape.length,
                       .columns = shape.length,
                       .depth = shape.head_dim,
                       .right_transposed = true,
                       .batches = shape.sequences * shape.query_heads,
                       .inner_batches = shape.query_heads,
                       .alpha = alpha,
                       .beta = beta,
                       .triangle = Triangle::kResultLower});
}

void AttentionProducts::gather(const SequenceShape& shape, const BufferView& squares, const Activations& b,
                               const Activations& out, float alpha) {
  record(list_, profile_,
         MatrixProduct{.left = square_of_heads(shape, squares),
                       .right = heads(shape, b, shape.queries_per_kv_head()),
                       .result = heads(shape, out),
                       .rows = shape.length,
                       .columns = shape.head_dim,
                       .depth = shape.length,
                       .batches = shape.sequences * shape.query_heads,
                       .inner_batches = shape.query_heads,
                       .alpha = alpha,
                       .triangle = Triangle::kLeftLower});
}

void AttentionProducts::scatter(const SequenceShape& shape, const BufferView& squares, const Activations& a,
                                const Activations& out, float alpha, const std::vector<float>& factors) {
  REGROUP_CHECK(factors.empty() || factors.size() == shape.query_heads);
  const std::uint32_t square = shape.length * shape.row_stride(), shared_by = shape.queries_per_kv_head();
  // Head by head: those of a group add to the same rows.
  for (std::uint32_t h = 0; h < shape.query_heads; ++h) {
    MatrixProduct product{.left = square_of_heads(shape, squares),
                          .right = heads(shape, a),
                          .result = heads(shape, out),
                          .rows = shape.length,
                          .columns = shape.head_dim,
                          .depth = shape.length,
                          .left_transposed = true,
                          .batches = shape.sequences,
                          .inner_batches = 1,
                          .alpha = factors.empty() ? alpha : alpha * factors[h],
                          .beta = h % shared_by == 0 ? 0.0f : 1.0f,
                          .triangle = Triangle::kLeftLower};
    product.left.offset += h * square;
    product.right.offset += h * shape.head_dim;
    product.result.offset += h / shared_by * shape.head_dim;
    record(list_, profile_, product);
  }
}

void AttentionProducts::softmax(const SequenceShape& shape, const BufferView& squares, std::uint32_t window) {
  record(list_, profile_, CausalSoftmax{.logits = causal(shape, squares), .window = window});
}

void AttentionProducts::softmax_backward(const SequenceShape& shape, const BufferView& weights,
                                         const BufferView& gradient) {
  record(list_, profile_, SoftmaxBackward{.weights = causal(shape, weights), .gradient = causal(shape, gradient)});
}

void AttentionProducts::rotate(const SequenceShape& shape, const Activations& rows, std::uint32_t heads_of_row,
                               const BufferView& table, std::uint32_t rotary_dims, bool inverse) {
  record(list_, profile_,
         RotateRows{.rows = rows,
                    .table = table,
                    .tokens = shape.tokens(),
                    .length = shape.length,
                    .heads = heads_of_row,
                    .head_dim = shape.head_dim,
                    .rotary_dims = rotary_dims,
                    .inverse = inverse});
}

}  // namespace regroup
