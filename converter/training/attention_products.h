// The products that passes through an attention layer over whole sequences are made of, on plain f32 matrices.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/ops/causal_softmax.h"
#include "runtime/ops/linear.h"
#include "runtime/ops/matrix_product.h"

namespace regroup {

// S sequences of T tokens through an attention layer of H query heads on n KV heads.
struct SequenceShape {
  std::uint32_t sequences = 0;  // S
  std::uint32_t length = 0;     // T
  std::uint32_t query_heads = 0;
  std::uint32_t kv_heads = 0;
  std::uint32_t head_dim = 0;

  std::uint32_t tokens() const { return sequences * length; }
  std::uint32_t queries_per_kv_head() const { return query_heads / kv_heads; }
  std::uint32_t query_width() const { return query_heads * head_dim; }
  std::uint32_t kv_width() const { return kv_heads * head_dim; }
  // Rows of logits are padded to chunks of four.
  std::uint32_t row_stride() const { return (length + 3) / 4 * 4; }
  std::uint64_t square_floats() const { return std::uint64_t{sequences} * query_heads * length * row_stride(); }
};

// One matrix of f32 weights on the device. [rows, columns], row by row without gaps; columns: a multiple of 4.
struct DeviceWeights {
  BufferView buffer;
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
};

// Rows of tokens from `first` on.
inline Activations rows_from(Activations rows, std::uint32_t first) {
  rows.offset += first * rows.stride;
  return rows;
}

// Records products under one profile. Squares are the H matrices of each sequence, [S, H, T, T], lower triangular.
class AttentionProducts {
 public:
  AttentionProducts(CommandList& list, const KernelProfile& profile) : list_(list), profile_(profile) {}

  // y = alpha x W^T + beta y. x: [tokens, W.columns], y: [tokens, W.rows]
  void project(const Activations& x, const DeviceWeights& w, const Activations& y, std::uint32_t tokens,
               float alpha = 1, float beta = 0);
  // dx = alpha dy W + beta dx. dy: [tokens, W.rows], dx: [tokens, W.columns]
  void project_back(const Activations& dy, const DeviceWeights& w, const Activations& dx, std::uint32_t tokens,
                    float alpha = 1, float beta = 0);
  // dW = alpha dy^T x + beta dW
  void weight_gradient(const Activations& dy, const Activations& x, const DeviceWeights& dw, std::uint32_t tokens,
                       float alpha, float beta);

  // squares[h, s, t] = alpha a_h[s] . b_g(h)[t] + beta squares, t <= s. a: [tokens, H D], b: [tokens, n D]
  void pair(const SequenceShape& shape, const Activations& a, const Activations& b, const BufferView& squares,
            float alpha, float beta = 0);
  // out_h[s] = alpha sum over t <= s of squares[h, s, t] b_g(h)[t]. b: [tokens, n D], out: [tokens, H D]
  void gather(const SequenceShape& shape, const BufferView& squares, const Activations& b, const Activations& out,
              float alpha = 1);
  // out_g[t] = sum over h of g of alpha factors[h] sum over s >= t of squares[h, s, t] a_h[s]. a: [tokens, H D],
  // out: [tokens, n D]; no factors: all 1
  void scatter(const SequenceShape& shape, const BufferView& squares, const Activations& a, const Activations& out,
               float alpha = 1, const std::vector<float>& factors = {});

  // In place on squares: softmax of every row; the gradient through it.
  void softmax(const SequenceShape& shape, const BufferView& squares, std::uint32_t window);
  void softmax_backward(const SequenceShape& shape, const BufferView& weights, const BufferView& gradient);

  void rotate(const SequenceShape& shape, const Activations& rows, std::uint32_t heads, const BufferView& table,
              std::uint32_t rotary_dims, bool inverse = false);

  CommandList& list() { return list_; }
  const KernelProfile& profile() const { return profile_; }

 private:
  CommandList& list_;
  const KernelProfile& profile_;
};

}  // namespace regroup
