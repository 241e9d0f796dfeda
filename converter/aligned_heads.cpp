#include "converter/aligned_heads.h"

#include <Eigen/SVD>
#include <complex>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// Ascent stops when a sweep over all members gains less than this share, or after so many sweeps.
constexpr double kLeastGain = 1e-7;
constexpr int kMostSweeps = 100;

// The orthogonal R that maximises trace(R^T target): the polar factor.
Eigen::MatrixXd nearest_rotation(const Eigen::MatrixXd& target) {
  const Eigen::BDCSVD<Eigen::MatrixXd> svd(target, Eigen::ComputeFullU | Eigen::ComputeFullV);
  return svd.matrixU() * svd.matrixV().transpose();
}

}  // namespace

Eigen::VectorXcd aligning_phases(const Eigen::MatrixXcd& gram) {
  const Eigen::Index count = gram.rows();
  Eigen::VectorXcd phases = Eigen::VectorXcd::Ones(count);
  // What member i meets: E[(sum of the members before `end` but i) k_i^*]. Turning i onto it aligns both.
  const auto others = [&](Eigen::Index i, Eigen::Index end) {
    std::complex<double> sum = 0;
    for (Eigen::Index l = 0; l < end; ++l) {
      if (l != i) sum += phases[l] * gram(l, i);
    }
    return sum;
  };
  const auto turn = [&](Eigen::Index i, Eigen::Index end) {
    const std::complex<double> sum = others(i, end);
    if (std::abs(sum) > 0) phases[i] = sum / std::abs(sum);
  };
  for (Eigen::Index i = 1; i < count; ++i) turn(i, i);
  double before = -1;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    for (Eigen::Index i = 1; i < count; ++i) turn(i, count);
    const double strength = (phases.transpose() * gram * phases.conjugate()).value().real();
    if (strength - before <= kLeastGain * std::abs(strength)) break;
    before = strength;
  }
  return phases;
}

std::vector<Eigen::MatrixXd> aligning_rotations(const Eigen::MatrixXd& gram, Eigen::Index dim) {
  const Eigen::Index count = gram.rows() / dim;
  REGROUP_CHECK(gram.cols() == gram.rows() && count * dim == gram.rows());
  std::vector<Eigen::MatrixXd> rotations(static_cast<std::size_t>(count), Eigen::MatrixXd::Identity(dim, dim));
  // E[(sum of the rotated members before `end` but i) z_i^T].
  const auto others = [&](Eigen::Index i, Eigen::Index end) {
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(dim, dim);
    for (Eigen::Index l = 0; l < end; ++l) {
      if (l != i) sum.noalias() += rotations[static_cast<std::size_t>(l)] * gram.block(l * dim, i * dim, dim, dim);
    }
    return sum;
  };
  const auto turn = [&](Eigen::Index i, Eigen::Index end) {
    rotations[static_cast<std::size_t>(i)] = nearest_rotation(others(i, end));
  };
  for (Eigen::Index i = 1; i < count; ++i) turn(i, i);
  if (count <= 2) return rotations;  // one turn is the optimum
  double before = -1;
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    for (Eigen::Index i = 1; i < count; ++i) turn(i, count);
    double strength = 0;  // E|sum|^2 less what the members have alone
    for (Eigen::Index i = 0; i < count; ++i) {
      strength += rotations[static_cast<std::size_t>(i)].cwiseProduct(others(i, count)).sum();
    }
    if (strength - before <= kLeastGain * std::abs(strength)) break;
    before = strength;
  }
  return rotations;
}

}  // namespace regroup
