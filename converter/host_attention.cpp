#include "converter/host_attention.h"

#include <algorithm>
#include <cmath>
#include <complex>

#include "runtime/core/error.h"

namespace regroup {
namespace {

Eigen::MatrixXd projected(const Eigen::MatrixXd& inputs, const WeightRows& weights, const Eigen::VectorXf& bias) {
  Eigen::MatrixXd out = inputs * weights.cast<double>().transpose();
  if (bias.size() > 0) out.rowwise() += bias.cast<double>().transpose();
  return out;
}

// Turns plane p, the columns 2p and 2p + 1, of every head of every row by the row's angles.
void rotate(Eigen::MatrixXd& heads, std::uint32_t head_dim, std::uint32_t rotary_dims, std::span<const float> table) {
  const Eigen::Index planes = rotary_dims / 2;
  REGROUP_CHECK(table.size() >= static_cast<std::size_t>(heads.rows() * planes * 2));
  for (Eigen::Index first = 0; first < heads.cols(); first += head_dim) {
    for (Eigen::Index p = 0; p < planes; ++p) {
      for (Eigen::Index t = 0; t < heads.rows(); ++t) {
        const std::size_t at = static_cast<std::size_t>((t * planes + p) * 2);
        double& re = heads(t, first + 2 * p);
        double& im = heads(t, first + 2 * p + 1);
        const std::complex<double> turned =
            std::complex<double>(re, im) * std::complex<double>(table[at], table[at + 1]);
        re = turned.real();
        im = turned.imag();
      }
    }
  }
}

Eigen::MatrixXd centred(const Eigen::MatrixXd& rows) {
  return rows.rowwise() - rows.colwise().mean();
}

void add_key_moments(const AttentionLayer& layer, const Eigen::MatrixXd& keys, LayerStatistics& out) {
  const Eigen::Index n = layer.kv_heads, dim = layer.head_dim, planes = layer.rotary_dims / 2, rest = dim - 2 * planes;
  const Eigen::MatrixXd k = centred(keys);
  for (Eigen::Index p = 0; p < planes; ++p) {
    Eigen::MatrixXcd plane(k.rows(), n);
    for (Eigen::Index j = 0; j < n; ++j) {
      plane.col(j).real() = k.col(j * dim + 2 * p);
      plane.col(j).imag() = k.col(j * dim + 2 * p + 1);
    }
    out.key_gram[static_cast<std::size_t>(p)] += plane.transpose() * plane.conjugate();
  }
  Eigen::MatrixXd unrotated(k.rows(), n * rest);
  for (Eigen::Index j = 0; j < n; ++j) {
    unrotated.middleCols(j * rest, rest) = k.middleCols(j * dim + 2 * planes, rest);
  }
  out.unrotated_key_gram += unrotated.transpose() * unrotated;
}

// What query head h adds to the statistics.
void add_query_head(const AttentionLayer& layer, const HostAttention& sequence, Eigen::Index h, LayerStatistics& out) {
  const Eigen::Index dim = layer.head_dim, planes = layer.rotary_dims / 2, rest = dim - 2 * planes;
  const auto q = sequence.queries.middleCols(h * dim, dim);
  for (Eigen::Index p = 0; p < planes; ++p) out.query_energy(h, p) += q.middleCols(2 * p, 2).squaredNorm();
  out.unrotated_query_gram[static_cast<std::size_t>(h)] += q.rightCols(rest).transpose() * q.rightCols(rest);

  const Eigen::MatrixXd& probabilities = sequence.probabilities[static_cast<std::size_t>(h)];
  const Eigen::MatrixXd attended = probabilities * sequence.values;
  out.value_gram += attended.transpose() * attended / static_cast<double>(layer.query_heads);

  const Eigen::MatrixXd outputs = layer.output.middleCols(h * dim, dim).cast<double>();
  const Eigen::MatrixXd own = sequence.values.middleCols(h / layer.queries_per_kv_head() * dim, dim);
  const Eigen::VectorXd energies = (own * outputs.transpose()).rowwise().squaredNorm();
  const Eigen::MatrixXd means = sequence.heads.middleCols(h * dim, dim) * outputs.transpose();
  out.logit_sensitivity[h] += (probabilities * energies).sum() - means.squaredNorm();
}

}  // namespace

Eigen::MatrixXd attention_probabilities(const Eigen::MatrixXd& queries, const Eigen::MatrixXd& keys, double scale,
                                        std::uint32_t window) {
  Eigen::MatrixXd p = scale * queries * keys.transpose();
  for (Eigen::Index s = 0; s < p.rows(); ++s) {
    const Eigen::Index first = window == 0 ? 0 : std::max<Eigen::Index>(0, s + 1 - static_cast<Eigen::Index>(window));
    auto seen = p.row(s).segment(first, s + 1 - first);
    seen = (seen.array() - seen.maxCoeff()).exp().matrix().eval();
    seen /= seen.sum();
    p.row(s).head(first).setZero();
    p.row(s).tail(p.cols() - s - 1).setZero();
  }
  return p;
}

HostAttention attend_on_host(const AttentionLayer& layer, const Eigen::MatrixXd& inputs,
                             std::span<const float> rope_table, std::uint32_t window) {
  REGROUP_CHECK(!layer.qk_norm && inputs.cols() == layer.hidden);
  const Eigen::Index dim = layer.head_dim;
  HostAttention out;
  out.queries = projected(inputs, layer.query, layer.query_bias);
  out.keys = projected(inputs, layer.key, layer.key_bias);
  out.values = projected(inputs, layer.value, layer.value_bias);
  rotate(out.queries, layer.head_dim, layer.rotary_dims, rope_table);
  rotate(out.keys, layer.head_dim, layer.rotary_dims, rope_table);
  out.heads.resize(inputs.rows(), layer.query_heads * dim);
  for (Eigen::Index h = 0; h < layer.query_heads; ++h) {
    const Eigen::Index at = h / layer.queries_per_kv_head() * dim;
    out.probabilities.push_back(attention_probabilities(out.queries.middleCols(h * dim, dim),
                                                        out.keys.middleCols(at, dim), layer.scale, window));
    out.heads.middleCols(h * dim, dim) = out.probabilities.back() * out.values.middleCols(at, dim);
  }
  out.output = out.heads * layer.output.cast<double>().transpose();
  return out;
}

LayerStatistics statistics_on_host(const AttentionLayer& layer, std::span<const HostAttention> sequences) {
  const Eigen::Index n = layer.kv_heads, heads = layer.query_heads, dim = layer.head_dim;
  const Eigen::Index planes = layer.rotary_dims / 2, rest = dim - 2 * planes;
  LayerStatistics out;
  out.value_gram = Eigen::MatrixXd::Zero(n * dim, n * dim);
  out.key_gram.assign(static_cast<std::size_t>(planes), Eigen::MatrixXcd::Zero(n, n));
  out.query_energy = Eigen::MatrixXd::Zero(heads, planes);
  out.unrotated_key_gram = Eigen::MatrixXd::Zero(n * rest, n * rest);
  out.unrotated_query_gram.assign(layer.query_heads, Eigen::MatrixXd::Zero(rest, rest));
  out.logit_sensitivity = Eigen::VectorXd::Zero(heads);
  for (const HostAttention& sequence : sequences) {
    out.tokens += static_cast<std::uint64_t>(sequence.keys.rows());
    add_key_moments(layer, sequence.keys, out);
    for (Eigen::Index h = 0; h < heads; ++h) add_query_head(layer, sequence, h, out);
  }
  REGROUP_CHECK(out.tokens > 0);
  const double share = 1.0 / static_cast<double>(out.tokens);
  out.value_gram *= share;
  for (Eigen::MatrixXcd& gram : out.key_gram) gram *= share;
  out.query_energy *= share;
  out.unrotated_key_gram *= share;
  for (Eigen::MatrixXd& gram : out.unrotated_query_gram) gram *= share;
  out.logit_sensitivity *= share;
  return out;
}

}  // namespace regroup
