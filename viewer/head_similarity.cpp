#include "viewer/head_similarity.h"

#include <cmath>
#include <complex>

#include "runtime/model/architecture.h"
#include "runtime/model/row_sources.h"
#include "runtime/model/tensor_role.h"

namespace regroup::view {
namespace {

using Rows = std::vector<std::vector<float>>;

Rows decode_rows(const FileTensor& tensor) {
  Rows rows(tensor.rows(), std::vector<float>(tensor.columns()));
  const TensorRows source(tensor);
  for (std::uint32_t r = 0; r < rows.size(); ++r) decode_row(tensor.format, source.row(r), rows[r]);
  return rows;
}

double dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

double ratio(double part, double squares) {
  return squares > 0 ? part / std::sqrt(squares) : 0.0;
}

struct PlaneRows {
  std::size_t even, odd;
};

// Rows of plane p of head h, in the file's own order.
PlaneRows plane_rows(const ModelConfig& config, std::size_t head, std::size_t plane) {
  const std::size_t base = head * config.head_dim;
  if (2 * plane >= config.rotary_dims || config.file_rope_layout == RopeLayout::kInterleaved) {
    return {base + 2 * plane, base + 2 * plane + 1};
  }
  return {base + plane, base + plane + config.rotary_dims / 2};
}

}  // namespace

LayerHeads similar_heads(const OpenedModel& opened, std::uint32_t layer) {
  const ModelConfig& config = opened.config();
  const TensorTable tensors(opened.file, opened.outline.architecture->tensor_names(), config.layer_count());
  const Rows keys = decode_rows(tensors.get(TensorRole::kKey, layer));
  const Rows values = decode_rows(tensors.get(TensorRole::kValue, layer));
  const std::size_t heads = config.layers[layer].kv_heads, dim = config.head_dim, planes = dim / 2;
  const std::vector<std::vector<double>> square(heads, std::vector<double>(heads, 1.0));
  LayerHeads result{.key_before = square, .key_after = square, .value = square};
  for (std::size_t a = 0; a < heads; ++a) {
    for (std::size_t b = a + 1; b < heads; ++b) {
      double before = 0, after = 0, value = 0;
      for (std::size_t p = 0; p < planes; ++p) {
        const auto [a0, a1] = plane_rows(config, a, p);
        const auto [b0, b1] = plane_rows(config, b, p);
        const std::complex<double> inner(dot(keys[a0], keys[b0]) + dot(keys[a1], keys[b1]),
                                         dot(keys[a1], keys[b0]) - dot(keys[a0], keys[b1]));
        const double squares =
            (dot(keys[a0], keys[a0]) + dot(keys[a1], keys[a1])) * (dot(keys[b0], keys[b0]) + dot(keys[b1], keys[b1]));
        before += ratio(inner.real(), squares);
        // Elements that RoPE leaves alone cannot be rotated unseen either way; they count as they are.
        after += ratio(2 * p < config.rotary_dims ? std::abs(inner) : inner.real(), squares);
      }
      for (std::size_t i = 0; i < dim; ++i) {
        const auto &x = values[a * dim + i], &y = values[b * dim + i];
        value += ratio(dot(x, y), dot(x, x) * dot(y, y));
      }
      result.key_before[a][b] = result.key_before[b][a] = before / static_cast<double>(planes);
      result.key_after[a][b] = result.key_after[b][a] = after / static_cast<double>(planes);
      result.value[a][b] = result.value[b][a] = value / static_cast<double>(dim);
    }
  }
  return result;
}

}  // namespace regroup::view
