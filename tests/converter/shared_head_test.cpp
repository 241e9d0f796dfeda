// The closed-form shared heads: optimal, lossless where heads differ by coordinates only, and equal to plain truncated
// singular value decompositions.
#include "converter/shared_head.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <Eigen/SVD>
#include <random>

namespace regroup::test {
namespace {

using Eigen::MatrixXcd;
using Eigen::MatrixXd;
using Eigen::VectorXcd;
using Eigen::VectorXd;

class SharedHeadTest : public testing::Test {
 protected:
  MatrixXd noise(Eigen::Index rows, Eigen::Index columns) {
    return MatrixXd::NullaryExpr(rows, columns, [&] { return normal_(random_); });
  }
  MatrixXcd complex_noise(Eigen::Index rows, Eigen::Index columns) {
    MatrixXcd out(rows, columns);
    out.real() = noise(rows, columns);
    out.imag() = noise(rows, columns);
    return out;
  }

 private:
  std::mt19937_64 random_{11};
  std::normal_distribution<double> normal_;
};

// sum_j w_j E|k_j - out_j sum_l in_l k_l|^2.
double plane_error(const MatrixXcd& gram, const VectorXd& weights, const VectorXcd& in, const VectorXcd& out) {
  const MatrixXcd residual = MatrixXcd::Identity(gram.rows(), gram.cols()) - out * in.transpose();
  return (weights.asDiagonal() * residual * gram * residual.adjoint()).trace().real();
}

double subspace_error(const MatrixXd& gram, const std::vector<MatrixXd>& costs, const SharedSubspace& shared) {
  const Eigen::Index dim = costs.front().rows();
  MatrixXd in(dim, gram.cols()), out(gram.rows(), dim), cost = MatrixXd::Zero(gram.rows(), gram.cols());
  for (std::size_t j = 0; j < costs.size(); ++j) {
    const Eigen::Index at = static_cast<Eigen::Index>(j) * dim;
    in.middleCols(at, dim) = shared.in[j];
    out.middleRows(at, dim) = shared.out[j];
    cost.block(at, at, dim, dim) = costs[j];
  }
  const MatrixXd residual = MatrixXd::Identity(gram.rows(), gram.cols()) - out * in;
  return (cost * residual * gram * residual.transpose()).trace();
}

TEST_F(SharedHeadTest, PlaneHasTheErrorItReportsAndNoNeighbourIsBetter) {
  for (const Eigen::Index heads : {2, 3, 5}) {
    const MatrixXcd keys = complex_noise(heads, 40);
    const MatrixXcd gram = keys * keys.adjoint();
    const VectorXd weights = noise(heads, 1).cwiseAbs2();
    const SharedPlane plane = shared_plane(gram, weights);
    const double error = plane_error(gram, weights, plane.in, plane.out);
    EXPECT_NEAR(error, plane.error, 1e-10 * gram.trace().real());
    EXPECT_NEAR(shared_plane_error(gram, weights), plane.error, 1e-10 * gram.trace().real());
    EXPECT_NEAR(plane.out.norm(), std::sqrt(static_cast<double>(heads)), 1e-12);
    for (int trial = 0; trial < 20; ++trial) {
      EXPECT_GE(plane_error(gram, weights, plane.in, plane.out + 0.1 * complex_noise(heads, 1)), error);
      EXPECT_GE(plane_error(gram, weights, plane.in + 0.1 * complex_noise(heads, 1), plane.out), error);
    }
  }
}

TEST_F(SharedHeadTest, PlanesThatDifferByAFactorMergeWithoutLoss) {
  const MatrixXcd key = complex_noise(1, 30), factors = complex_noise(4, 1);
  const MatrixXcd keys = factors * key;
  const VectorXd weights = noise(4, 1).cwiseAbs2();
  const SharedPlane plane = shared_plane(keys * keys.adjoint(), weights);
  const MatrixXcd again = plane.out * (plane.in.transpose() * keys);
  EXPECT_LT((again - keys).norm(), 1e-10 * keys.norm());
}

TEST_F(SharedHeadTest, PlanesWithoutKeysOrQueriesStayFinite) {
  const SharedPlane no_keys = shared_plane(MatrixXcd::Zero(3, 3), VectorXd::Ones(3));
  EXPECT_TRUE(no_keys.in.allFinite() && no_keys.out.allFinite());
  const MatrixXcd keys = complex_noise(3, 20);
  const SharedPlane no_queries = shared_plane(keys * keys.adjoint(), VectorXd::Zero(3));
  EXPECT_TRUE(no_queries.in.allFinite() && no_queries.out.allFinite());
  // A member that no query reads is described as well as possible, and disturbs nothing.
  VectorXd weights = VectorXd::Zero(3);
  weights[1] = 2;
  const SharedPlane one = shared_plane(keys * keys.adjoint(), weights);
  EXPECT_NEAR(one.error, 0, 1e-10);
  EXPECT_LT(((one.out * (one.in.transpose() * keys)).row(1) - keys.row(1)).norm(), 1e-10 * keys.norm());
}

TEST_F(SharedHeadTest, SubspaceEqualsTheTruncatedDecompositionOfTheStackedProducts) {
  const Eigen::Index dim = 4, count = 3, inputs = 25;
  const MatrixXd z = noise(count * dim, inputs);  // any W C^1/2
  std::vector<MatrixXd> outputs, costs;
  MatrixXd stacked(count * 7, inputs);
  for (Eigen::Index j = 0; j < count; ++j) {
    outputs.push_back(noise(7, dim));
    costs.push_back(outputs.back().transpose() * outputs.back());
    stacked.middleRows(j * 7, 7) = outputs.back() * z.middleRows(j * dim, dim);
  }
  const SharedSubspace shared = shared_subspace(z * z.transpose(), costs);
  const Eigen::JacobiSVD<MatrixXd> svd(stacked, Eigen::ComputeThinU | Eigen::ComputeThinV);
  const MatrixXd wanted = svd.matrixU().leftCols(dim) * svd.singularValues().head(dim).asDiagonal() *
                          svd.matrixV().leftCols(dim).transpose();
  MatrixXd y = MatrixXd::Zero(dim, inputs);
  for (Eigen::Index j = 0; j < count; ++j) y += shared.in[static_cast<std::size_t>(j)] * z.middleRows(j * dim, dim);
  MatrixXd found(stacked.rows(), inputs);
  double before = 0, after = 0;
  for (std::size_t j = 0; j < 3; ++j) {
    found.middleRows(static_cast<Eigen::Index>(j) * 7, 7) = outputs[j] * shared.out[j] * y;
    before += outputs[j].squaredNorm();
    after += (outputs[j] * shared.out[j]).squaredNorm();
  }
  EXPECT_LT((found - wanted).norm(), 1e-9 * wanted.norm());
  const double dropped = svd.singularValues().tail(svd.singularValues().size() - dim).squaredNorm();
  EXPECT_NEAR(shared.error, dropped, 1e-9 * dropped);
  EXPECT_NEAR(shared_subspace_error(z * z.transpose(), costs), dropped, 1e-9 * dropped);
  EXPECT_NEAR(after, before, 1e-9 * before);
  const MatrixXd strength = y * y.transpose();
  EXPECT_LT((strength / strength(0, 0) - MatrixXd::Identity(dim, dim)).norm(), 1e-9);
}

TEST_F(SharedHeadTest, SubspaceHasTheErrorItReportsAndNoNeighbourIsBetter) {
  const Eigen::Index dim = 3, count = 3;
  const MatrixXd z = noise(count * dim, 25), gram = z * z.transpose();
  std::vector<MatrixXd> costs;
  for (int j = 0; j < count; ++j) {
    const MatrixXd output = noise(6, dim);
    costs.push_back(output.transpose() * output);
  }
  const SharedSubspace shared = shared_subspace(gram, costs);
  const double error = subspace_error(gram, costs, shared);
  EXPECT_NEAR(error, shared.error, 1e-10 * error);
  for (int trial = 0; trial < 20; ++trial) {
    SharedSubspace other = shared;
    other.in[1] += 0.1 * noise(dim, dim);
    other.out[2] += 0.1 * noise(dim, dim);
    EXPECT_GE(subspace_error(gram, costs, other), error);
  }
}

TEST_F(SharedHeadTest, SubspaceOfFewerDirectionsThanDimsIsLossless) {
  // All values lie in 2 of 4 dims, and a head's outputs ignore its values: nothing to divide by.
  const MatrixXd z = noise(8, 2) * noise(2, 30), gram = z * z.transpose();
  const MatrixXd output = noise(5, 4);
  const std::vector<MatrixXd> costs = {output.transpose() * output, MatrixXd::Zero(4, 4)};
  const SharedSubspace shared = shared_subspace(gram, costs);
  EXPECT_TRUE(shared.in[0].allFinite() && shared.in[1].allFinite() && shared.out[0].allFinite() &&
              shared.out[1].allFinite());
  const MatrixXd y = shared.in[0] * z.topRows(4) + shared.in[1] * z.bottomRows(4);
  EXPECT_LT((shared.out[0] * y - z.topRows(4)).norm(), 1e-6 * z.norm());
}

}  // namespace
}  // namespace regroup::test
