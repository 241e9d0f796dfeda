#include "converter/training/statistics_pass.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"

namespace regroup {
namespace {

using RowsF = WeightRows;

RowsF downloaded(Device& device, const Activations& rows, std::uint32_t count) {
  RowsF out(count, rows.stride);
  const BufferView view(*rows.buffer.buffer, rows.buffer.offset_bytes, 4 * static_cast<std::uint64_t>(out.size()));
  download(device, view, std::as_writable_bytes(std::span(out.data(), static_cast<std::size_t>(out.size()))));
  return out;
}

// [T, heads]: plane p of every head as complex numbers.
Eigen::MatrixXcd plane_of(const Eigen::MatrixXd& rows, std::uint32_t heads, std::uint32_t head_dim, std::uint32_t p) {
  Eigen::MatrixXcd out(rows.rows(), heads);
  for (std::uint32_t j = 0; j < heads; ++j) {
    const Eigen::Index at = j * head_dim + 2 * p;
    out.col(j).real() = rows.col(at);
    out.col(j).imag() = rows.col(at + 1);
  }
  return out;
}

// [T, heads * U]: the dims of every head that RoPE leaves.
Eigen::MatrixXd unrotated(const Eigen::MatrixXd& rows, std::uint32_t heads, std::uint32_t head_dim,
                          std::uint32_t rotary_dims) {
  const Eigen::Index left = head_dim - rotary_dims;
  Eigen::MatrixXd out(rows.rows(), heads * left);
  for (std::uint32_t j = 0; j < heads; ++j) {
    out.middleCols(j * left, left) = rows.middleCols(Eigen::Index{j} * head_dim + rotary_dims, left);
  }
  return out;
}

}  // namespace

StatisticsPass::StatisticsPass(Device& device, const KernelProfile& profile, const AttentionLayer& layer,
                               std::uint32_t sequences, std::uint32_t length)
    : device_(device), profile_(profile), layer_(layer) {
  const std::uint32_t n = layer.kv_heads, heads = layer.query_heads, planes = layer.rotary_dims / 2;
  const std::uint32_t left = layer.head_dim - layer.rotary_dims;
  // 64 rows per dimension of the Gram matrix tell it well; neighbouring tokens tell less than their number, so at least
  // 16384, where there are so many.
  const std::uint64_t wanted = std::max<std::uint64_t>(16384, std::uint64_t{64} * n * layer.head_dim);
  spacing_ = static_cast<std::uint32_t>(
      std::clamp<std::uint64_t>(std::uint64_t{sequences} * length * heads / wanted, 1, sequences));
  sums_.value_gram = Eigen::MatrixXd::Zero(n * layer.head_dim, n * layer.head_dim);
  sums_.key_gram.assign(planes, Eigen::MatrixXcd::Zero(n, n));
  sums_.query_energy = Eigen::MatrixXd::Zero(heads, planes);
  sums_.unrotated_key_gram = Eigen::MatrixXd::Zero(n * left, n * left);
  sums_.unrotated_query_gram.assign(heads, Eigen::MatrixXd::Zero(left, left));
  spread_.assign(heads, Eigen::MatrixXd::Zero(layer.head_dim, layer.head_dim));
  mean_ = spread_;
}

void StatisticsPass::add(const AttentionPass& pass, std::uint32_t sequences, const CancelFlag* cancel) {
  add_keys_and_queries(pass, sequences);
  add_values(pass, sequences, cancel);
  sums_.tokens += std::uint64_t{sequences} * pass.shape().length;
}

void StatisticsPass::add_keys_and_queries(const AttentionPass& pass, std::uint32_t sequences) {
  const std::uint32_t length = pass.shape().length, n = layer_.kv_heads, heads = layer_.query_heads;
  const std::uint32_t planes = layer_.rotary_dims / 2;
  const RowsF keys = downloaded(device_, pass.keys, sequences * length);
  const RowsF queries = downloaded(device_, pass.queries, sequences * length);
  for (std::uint32_t s = 0; s < sequences; ++s) {
    Eigen::MatrixXd k = keys.middleRows(s * length, length).cast<double>();
    k.rowwise() -= k.colwise().mean().eval();
    for (std::uint32_t p = 0; p < planes; ++p) {
      const Eigen::MatrixXcd z = plane_of(k, n, layer_.head_dim, p);
      sums_.key_gram[p] += z.transpose() * z.conjugate();
    }
    const Eigen::MatrixXd q = queries.middleRows(s * length, length).cast<double>();
    const Eigen::RowVectorXd squares = q.colwise().squaredNorm();
    for (std::uint32_t h = 0; h < heads; ++h) {
      for (std::uint32_t p = 0; p < planes; ++p) {
        const Eigen::Index at = h * layer_.head_dim + 2 * p;
        sums_.query_energy(h, p) += squares(at) + squares(at + 1);
      }
    }
    if (layer_.rotary_dims == layer_.head_dim) continue;
    const Eigen::MatrixXd left = unrotated(k, n, layer_.head_dim, layer_.rotary_dims);
    sums_.unrotated_key_gram += left.transpose() * left;
    const Eigen::MatrixXd left_queries = unrotated(q, heads, layer_.head_dim, layer_.rotary_dims);
    const Eigen::Index dims = layer_.head_dim - layer_.rotary_dims;
    for (std::uint32_t h = 0; h < heads; ++h) {
      const auto of_head = left_queries.middleCols(h * dims, dims);
      sums_.unrotated_query_gram[h] += of_head.transpose() * of_head;
    }
  }
}

void StatisticsPass::add_values(const AttentionPass& pass, std::uint32_t sequences, const CancelFlag* cancel) {
  const SequenceShape& shape = pass.shape();
  const std::uint32_t length = shape.length, width = shape.kv_width(), count = (sequences + spacing_ - 1) / spacing_;
  const std::uint32_t square = length * shape.row_stride();
  Arena arena(device_, MemoryUse::kDevice, "statistics");
  const Activations attended{arena.buffer(std::uint64_t{4} * count * length * width, "attended"), 0, width};
  const DeviceWeights gram{arena.buffer(std::uint64_t{4} * width * width, "gram"), width, width};
  const Buffer& ones = arena.buffer(std::uint64_t{16} * length, "ones");
  const Buffer& column_sums = arena.buffer(std::uint64_t{4} * count * shape.query_heads * length, "column sums");

  CommandList list(device_);
  AttentionProducts products(list, profile_);
  list.fill(ones, 0x3f800000u);
  // What attention makes of all value heads, one query head after the other.
  for (std::uint32_t h = 0; h < shape.query_heads; ++h) {
    record(list, profile_,
           MatrixProduct{.left = {.buffer = pass.weights,
                                  .offset = h * square,
                                  .stride = shape.row_stride(),
                                  .outer_stride = spacing_ * shape.query_heads * square},
                         .right = {.buffer = pass.values.buffer,
                                   .offset = pass.values.offset,
                                   .stride = pass.values.stride,
                                   .outer_stride = spacing_ * length * pass.values.stride},
                         .result = {.buffer = attended.buffer, .stride = width, .outer_stride = length * width},
                         .rows = length,
                         .columns = width,
                         .depth = length,
                         .batches = count,
                         .triangle = Triangle::kLeftLower});
    products.weight_gradient(attended, attended, gram, count * length, 1, h == 0 ? 0.0f : 1.0f);
  }
  record(list, profile_,
         MatrixProduct{.left = {.buffer = pass.weights,
                                .stride = shape.row_stride(),
                                .outer_stride = spacing_ * shape.query_heads * square,
                                .inner_stride = square},
                       .right = {.buffer = ones, .stride = 4},
                       .result = {.buffer = column_sums,
                                  .stride = 1,
                                  .outer_stride = shape.query_heads * length,
                                  .inner_stride = length},
                       .rows = length,
                       .columns = 1,
                       .depth = length,
                       .left_transposed = true,
                       .batches = count * shape.query_heads,
                       .inner_batches = shape.query_heads,
                       .triangle = Triangle::kLeftLower});
  list.run(cancel);
  sums_.value_gram += download_weights(device_, gram).cast<double>();
  value_tokens_ += std::uint64_t{count} * length;

  const RowsF values = downloaded(device_, pass.values, sequences * length);
  const RowsF heads = downloaded(device_, pass.heads, sequences * length);
  const std::vector<float> seen = download_values<float>(device_, column_sums, column_sums.size_bytes() / 4);
  const Eigen::Index dim = shape.head_dim;
  for (std::uint32_t i = 0; i < count; ++i) {
    const Eigen::Index row = Eigen::Index{i} * spacing_ * length;
    for (std::uint32_t h = 0; h < shape.query_heads; ++h) {
      const Eigen::MatrixXf v = values.block(row, h / shape.queries_per_kv_head() * dim, length, dim);
      const Eigen::MatrixXf out = heads.block(row, h * dim, length, dim);
      const Eigen::Map<const Eigen::VectorXf> weight(seen.data() + (i * shape.query_heads + h) * length, length);
      spread_[h] += (v.transpose() * weight.asDiagonal() * v).cast<double>();
      mean_[h] += (out.transpose() * out).cast<double>();
    }
  }
}

LayerStatistics StatisticsPass::finish() {
  REGROUP_CHECK(sums_.tokens > 0 && value_tokens_ > 0);
  const auto tokens = static_cast<double>(sums_.tokens), value_tokens = static_cast<double>(value_tokens_);
  sums_.value_gram /= value_tokens * layer_.query_heads;
  for (Eigen::MatrixXcd& gram : sums_.key_gram) gram /= tokens;
  sums_.query_energy /= tokens;
  sums_.unrotated_key_gram /= tokens;
  for (Eigen::MatrixXd& gram : sums_.unrotated_query_gram) gram /= tokens;
  sums_.logit_sensitivity.resize(layer_.query_heads);
  for (std::uint32_t h = 0; h < layer_.query_heads; ++h) {
    const Eigen::MatrixXd o =
        layer_.output.middleCols(Eigen::Index{h} * layer_.head_dim, layer_.head_dim).cast<double>();
    sums_.logit_sensitivity(h) = (o * (spread_[h] - mean_[h])).cwiseProduct(o).sum() / value_tokens;
  }
  return std::move(sums_);
}

}  // namespace regroup
