// Small attention layers with calibration inputs for the converter's tests: heads that share something, as trained ones
// do, inputs with outliers, and the layer in other coordinates that compute the same.
#pragma once

#include <fmt/format.h>

#include <Eigen/LU>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "converter/attention_layer.h"
#include "converter/head_maps.h"
#include "converter/host_attention.h"
#include "runtime/model/rope_table.h"

namespace regroup::test {

struct LayerShape {
  std::uint32_t query_heads, kv_heads, head_dim, rotary_dims, hidden;
  bool biases = false;
};

inline std::string to_string(const LayerShape& shape) {
  return fmt::format("{} query heads on {}, head_dim {} ({} rotated), hidden {}{}", shape.query_heads, shape.kv_heads,
                     shape.head_dim, shape.rotary_dims, shape.hidden, shape.biases ? ", biases" : "");
}

// Shapes that models have (9/3, 14/2, 6/2, 12/4, MHA) with and without biases and dims that RoPE leaves.
inline std::vector<LayerShape> layer_shapes() {
  return {{8, 8, 8, 8, 40, false}, {9, 3, 6, 6, 30, false},  {14, 2, 8, 8, 33, true},
          {6, 2, 10, 6, 50, true}, {12, 4, 8, 4, 37, false}, {4, 4, 6, 0, 26, true}};
}

class LayerSample {
 public:
  static constexpr std::uint32_t kTokens = 24;

  explicit LayerSample(const LayerShape& shape, std::uint64_t seed = 7) : random_(seed) {
    layer.hidden = shape.hidden;
    layer.query_heads = shape.query_heads;
    layer.kv_heads = shape.kv_heads;
    layer.head_dim = shape.head_dim;
    layer.rotary_dims = shape.rotary_dims;
    layer.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    const Eigen::Index dim = shape.head_dim, d = shape.hidden;
    const float size = 0.7f / std::sqrt(static_cast<float>(d));
    // Heads differ by as much as they share, so that merging neither is exact nor destroys everything.
    const auto alike = [&](std::uint32_t heads) {
      const WeightRows shared = noise(dim, d);
      WeightRows out(heads * dim, d);
      for (std::uint32_t j = 0; j < heads; ++j) out.middleRows(j * dim, dim) = size * (shared + noise(dim, d));
      return out;
    };
    layer.query = alike(shape.query_heads);
    layer.key = alike(shape.kv_heads);
    layer.value = alike(shape.kv_heads);
    layer.output = size * noise(d, shape.query_heads * dim);
    if (shape.biases) {
      layer.query_bias = noise(shape.query_heads * dim, 1);
      layer.key_bias = 2 * noise(shape.kv_heads * dim, 1);
      layer.value_bias = noise(shape.kv_heads * dim, 1);
    }
    rope_table = make_rope_table({}, shape.rotary_dims, kTokens);
    for (int sequence = 0; sequence < 4; ++sequence) {
      Eigen::MatrixXd x = noise(kTokens, d).cast<double>();
      x.col(1) *= 6;          // an input that is always large
      x.col(2).array() += 2;  // one with a mean
      x.row(0) *= 3;          // a first token unlike the others
      inputs.push_back(std::move(x));
    }
  }

  std::vector<HostAttention> attend(const AttentionLayer& with) const {
    std::vector<HostAttention> out;
    for (const Eigen::MatrixXd& x : inputs) out.push_back(attend_on_host(with, x, rope_table));
    return out;
  }
  LayerStatistics statistics(const AttentionLayer& with) const { return statistics_on_host(with, attend(with)); }

  // sqrt(sum |a - b|^2 / sum |a|^2) of the outputs of two layers.
  double distance(const AttentionLayer& a, const AttentionLayer& b) const {
    double error = 0, energy = 0;
    for (const Eigen::MatrixXd& x : inputs) {
      const Eigen::MatrixXd wanted = attend_on_host(a, x, rope_table).output;
      error += (attend_on_host(b, x, rope_table).output - wanted).squaredNorm();
      energy += wanted.squaredNorm();
    }
    return std::sqrt(error / energy);
  }

  WeightRows noise(Eigen::Index rows, Eigen::Index columns) {
    std::normal_distribution<float> normal;
    return WeightRows::NullaryExpr(rows, columns, [&] { return normal(random_); });
  }

  AttentionLayer layer;
  std::vector<float> rope_table;
  std::vector<Eigen::MatrixXd> inputs;  // [tokens, hidden] each

 private:
  std::mt19937_64 random_;
};

// How much of the freedom that leaves a layer's function unchanged a change of coordinates uses.
enum class Gauge {
  kAlign,  // unit phases and orthogonal maps only
  kFree,   // any complex factor per plane, any invertible map
};

// `source` in other coordinates: each KV head's planes times random complex factors, its values (and the key dims that
// RoPE leaves) by random maps, queries and outputs so that nothing changes.
inline AttentionLayer in_other_coordinates(const AttentionLayer& source, Gauge gauge, LayerSample& sample) {
  const Eigen::Index dim = source.head_dim, rest = dim - source.rotary_dims;
  const auto map = [&](Eigen::Index size) -> Eigen::MatrixXd {
    const Eigen::MatrixXd a = sample.noise(size, size).cast<double>();
    if (gauge == Gauge::kAlign) return a.householderQr().householderQ();
    return a + 2 * std::sqrt(static_cast<double>(size)) * Eigen::MatrixXd::Identity(size, size);  // well invertible
  };
  std::vector<GroupMaps> maps;
  for (std::uint32_t j = 0; j < source.kv_heads; ++j) {
    HeadMap head = HeadMap::identity(source.head_dim, source.rotary_dims);
    for (Eigen::Index p = 0; p < head.key_planes.size(); ++p) {
      const WeightRows z = sample.noise(2, 1);
      std::complex<double> c(z(0, 0), z(1, 0));
      c /= gauge == Gauge::kAlign ? std::abs(c) : std::max(1.0, std::abs(c) * 4);
      head.key_planes[p] = c;
      head.query_planes[p] = 1.0 / std::conj(c);
    }
    if (rest > 0) {
      head.key_rest = map(rest);
      head.query_rest = head.key_rest.inverse().transpose();
    }
    head.value = map(dim);
    head.output = head.value.inverse();
    maps.push_back({std::move(head)});
  }
  return apply_maps(source, HeadGroups::contiguous(source.kv_heads, source.kv_heads), maps);
}

// `source` with its KV heads in the order `order`.
inline AttentionLayer with_kv_order(const AttentionLayer& source, const std::vector<std::uint32_t>& order) {
  HeadGroups groups;
  for (const std::uint32_t head : order) groups.groups.push_back({head});
  const std::vector<GroupMaps> same(order.size(), {HeadMap::identity(source.head_dim, source.rotary_dims)});
  return apply_maps(source, groups, same);
}

}  // namespace regroup::test
