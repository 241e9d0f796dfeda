// The projections of one attention layer as floats on the host, in one convention whatever file they came from: what
// merge methods take and give.
#pragma once

#include <Eigen/Core>
#include <cstdint>

namespace regroup {

// Rows are output features, as checkpoints store projections.
using WeightRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// H query heads on n KV heads; query head h reads KV head floor(h n / H). RoPE plane p of a head is its rows 2p and
// 2p + 1 (interleaved); the rows from rotary_dims on are not rotated. A merged layer is the same struct with fewer KV
// heads, its query heads permuted together with the columns of `output`.
struct AttentionLayer {
  std::uint32_t hidden = 0;       // d
  std::uint32_t query_heads = 0;  // H
  std::uint32_t kv_heads = 0;     // n
  std::uint32_t head_dim = 0;     // D
  std::uint32_t rotary_dims = 0;  // <= D, even
  float scale = 0;                // logit = scale * q . k
  bool qk_norm = false;           // queries and keys are RMS-normed per head before RoPE, which limits the methods
  bool partly_biased = false;     // some of Q, K and V have a bias and others none, which limits the methods

  WeightRows query;                                  // [H D, d]
  WeightRows key;                                    // [n D, d]
  WeightRows value;                                  // [n D, d]
  WeightRows output;                                 // [d, H D]: head h owns columns h D ..
  Eigen::VectorXf query_bias, key_bias, value_bias;  // [H D], [n D], [n D], or empty

  std::uint32_t queries_per_kv_head() const { return query_heads / kv_heads; }
};

}  // namespace regroup
