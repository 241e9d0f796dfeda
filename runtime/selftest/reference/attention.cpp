#include "runtime/selftest/reference/attention.h"

#include <algorithm>
#include <cmath>

namespace regroup::reference {

std::vector<double> attention(const AttentionShape& shape, std::span<const float> q, std::span<const float> k,
                              std::span<const float> v) {
  const std::size_t dim = shape.head_dim;
  const std::size_t positions = k.size() / shape.groups / dim;
  std::vector<double> out(std::size_t{shape.tokens} * shape.query_heads * dim);
  for (std::size_t t = 0; t < shape.tokens; ++t) {
    const std::size_t last = shape.first_position + t;
    const std::size_t first = shape.window != 0 && last + 1 > shape.window ? last + 1 - shape.window : 0;
    for (std::size_t h = 0; h < shape.query_heads; ++h) {
      const std::size_t group = h * shape.groups / shape.query_heads;
      const std::span<const float> query = q.subspan((t * shape.query_heads + h) * dim, dim);
      std::vector<double> scores;
      for (std::size_t j = first; j <= last; ++j) {
        double s = 0;
        for (std::size_t d = 0; d < dim; ++d) s += double{query[d]} * k[(group * positions + j) * dim + d];
        s *= shape.scale;
        if (shape.soft_cap > 0) s = shape.soft_cap * std::tanh(s / shape.soft_cap);
        scores.push_back(s);
      }
      const double top = *std::max_element(scores.begin(), scores.end());
      double total = 0;
      for (double& s : scores) total += s = std::exp(s - top);
      for (std::size_t j = first; j <= last; ++j) {
        for (std::size_t d = 0; d < dim; ++d) {
          out[(t * shape.query_heads + h) * dim + d] +=
              scores[j - first] / total * v[(group * positions + j) * dim + d];
        }
      }
    }
  }
  return out;
}

}  // namespace regroup::reference
