#include "converter/training/conjugate_gradients.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// <a, b> of each block of rows, in double.
Eigen::ArrayXd dots(const WeightRows& a, const WeightRows& b, Eigen::Index block_rows) {
  Eigen::ArrayXd out(a.rows() / block_rows);
  for (Eigen::Index i = 0; i < out.size(); ++i) {
    out(i) = a.middleRows(i * block_rows, block_rows)
                 .cast<double>()
                 .cwiseProduct(b.middleRows(i * block_rows, block_rows).cast<double>())
                 .sum();
  }
  return out;
}

// a += factors * b, block by block.
void add(WeightRows& a, const Eigen::ArrayXd& factors, const WeightRows& b, Eigen::Index block_rows) {
  for (Eigen::Index i = 0; i < factors.size(); ++i) {
    a.middleRows(i * block_rows, block_rows) +=
        static_cast<float>(factors(i)) * b.middleRows(i * block_rows, block_rows);
  }
}

// a / b where b says something.
Eigen::ArrayXd quotient(const Eigen::ArrayXd& a, const Eigen::ArrayXd& b) {
  return (b > 0).select(a / b, Eigen::ArrayXd::Zero(a.size()));
}

}  // namespace

WeightRows solve(const LeastSquares& problem) {
  const Eigen::Index block = problem.block_rows > 0 ? problem.block_rows : problem.descent.rows();
  REGROUP_CHECK(block > 0 && problem.descent.rows() % block == 0);
  WeightRows x = WeightRows::Zero(problem.descent.rows(), problem.descent.cols());
  // The ridge lives in the preconditioner's metric M: (H + ridge M) x = descent. M p is carried along with p, so that M
  // itself is never needed: M z = r for z = M^-1 r.
  WeightRows residual = problem.descent, z = residual;
  problem.precondition(z);
  WeightRows direction = z, metric_direction = residual;
  Eigen::ArrayXd size = dots(residual, z, block), ridge;
  const Eigen::ArrayXd first_size = size;
  for (int i = 0; i < problem.iterations; ++i) {
    WeightRows image = problem.curvature(direction);
    if (i == 0)
      ridge =
          problem.ridge * quotient(dots(direction, image, block), dots(direction, metric_direction, block)).max(0.0);
    add(image, ridge, metric_direction, block);
    const Eigen::ArrayXd step = quotient(size, dots(direction, image, block));
    add(x, step, direction, block);
    add(residual, -step, image, block);
    z = residual;
    problem.precondition(z);
    const Eigen::ArrayXd next = dots(residual, z, block);
    if ((next <= 1e-10 * first_size).all()) break;
    const Eigen::ArrayXd keep = quotient(next, size);
    for (Eigen::Index b = 0; b < keep.size(); ++b) {
      direction.middleRows(b * block, block) *= static_cast<float>(keep(b));
      metric_direction.middleRows(b * block, block) *= static_cast<float>(keep(b));
    }
    direction += z;
    metric_direction += residual;
    size = next;
  }
  return x;
}

}  // namespace regroup
