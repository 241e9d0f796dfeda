#include "converter/head_similarity.h"

#include <cmath>
#include <complex>

#include "converter/aligned_heads.h"
#include "converter/attention_layer.h"
#include "converter/attention_layer_io.h"
#include "converter/head_groups.h"
#include "converter/shared_head.h"

namespace regroup {
namespace {

using Matrix = HeadSimilarity::Matrix;

// Values are turned by singular value decompositions of their moments: up to so many rows that takes tens of
// milliseconds.
constexpr Eigen::Index kMostAlignedRows = 1024;

double cosine(double inner, double a, double b) {
  return a > 0 && b > 0 ? inner / std::sqrt(a * b) : 0.0;
}

// Adds share * cosine of every pair to `sums`, of heads whose moments are `gram`.
void add_cosines(Matrix& sums, const Eigen::MatrixXcd& gram, double share) {
  for (std::size_t a = 0; a < sums.size(); ++a) {
    for (std::size_t b = 0; b < sums.size(); ++b) {
      const auto i = static_cast<Eigen::Index>(a), j = static_cast<Eigen::Index>(b);
      sums[a][b] += share * cosine(gram(i, j).real(), gram(i, i).real(), gram(j, j).real());
    }
  }
}

// The moments of all heads after those of each group were turned onto each other.
Eigen::MatrixXcd aligned(Eigen::MatrixXcd gram, const HeadGroups& groups) {
  Eigen::VectorXcd phases = Eigen::VectorXcd::Ones(gram.rows());
  for (const auto& heads : groups.groups) {
    const Eigen::VectorXcd turned = aligning_phases(group_plane_gram(gram, heads));
    for (std::size_t j = 0; j < heads.size(); ++j) phases[heads[j]] = turned[static_cast<Eigen::Index>(j)];
  }
  return phases.asDiagonal() * gram * phases.conjugate().asDiagonal();
}

void compare_keys(HeadSimilarity& out, const AttentionLayer& layer, const HeadGroups& groups) {
  const Eigen::Index dim = layer.head_dim, heads = layer.kv_heads, planes = dim / 2;
  const double share = 1.0 / static_cast<double>(planes);
  for (Eigen::Index p = 0; p < planes; ++p) {
    Eigen::MatrixXcd rows(heads, layer.key.cols());
    for (Eigen::Index h = 0; h < heads; ++h) {
      rows.row(h).real() = layer.key.row(h * dim + 2 * p).cast<double>();
      rows.row(h).imag() = layer.key.row(h * dim + 2 * p + 1).cast<double>();
    }
    const Eigen::MatrixXcd gram = rows * rows.adjoint();
    add_cosines(out.key, gram, share);
    // What RoPE leaves alone counts as it is.
    add_cosines(out.key_aligned, 2 * p < layer.rotary_dims ? aligned(gram, groups) : gram, share);
  }
}

// trace(R_a V_a V_b^T R_b^T) of every pair, from the moments of all rows.
void compare_values(Matrix& out, const Eigen::MatrixXd& moments, Eigen::Index dim,
                    const std::vector<Eigen::MatrixXd>& turns) {
  const auto inner = [&](std::size_t a, std::size_t b) {
    const auto i = static_cast<Eigen::Index>(a) * dim, j = static_cast<Eigen::Index>(b) * dim;
    return (turns[a] * moments.block(i, j, dim, dim)).cwiseProduct(turns[b]).sum();
  };
  for (std::size_t a = 0; a < out.size(); ++a) {
    for (std::size_t b = 0; b < out.size(); ++b) out[a][b] = cosine(inner(a, b), inner(a, a), inner(b, b));
  }
}

}  // namespace

HeadSimilarity similar_heads(const AttentionLayer& layer, const HeadGroups& groups) {
  const Matrix none(layer.kv_heads, std::vector<double>(layer.kv_heads, 0.0));
  HeadSimilarity out{.key = none, .value = none, .key_aligned = none};
  compare_keys(out, layer, groups);
  const Eigen::Index dim = layer.head_dim;
  const Eigen::MatrixXd values = layer.value.cast<double>();
  const Eigen::MatrixXd moments = values * values.transpose();
  std::vector<Eigen::MatrixXd> turns(layer.kv_heads, Eigen::MatrixXd::Identity(dim, dim));
  compare_values(out.value, moments, dim, turns);
  if (values.rows() > kMostAlignedRows) return out;
  for (const auto& heads : groups.groups) {
    const auto rotations = aligning_rotations(group_gram(moments, heads, dim), dim);
    for (std::size_t j = 0; j < heads.size(); ++j) turns[heads[j]] = rotations[j];
  }
  out.value_aligned = none;
  compare_values(out.value_aligned, moments, dim, turns);
  return out;
}

HeadSimilarity similar_heads(const TensorTable& table, const ModelConfig& config, std::uint32_t layer,
                             std::uint32_t groups) {
  const std::uint32_t heads = config.layers[layer].kv_heads;
  return similar_heads(read_keys_and_values(table, config, layer),
                       HeadGroups::contiguous(heads, groups == heads ? 1 : groups));
}

}  // namespace regroup
