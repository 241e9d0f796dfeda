#include "converter/aligned_heads.h"

#include <Eigen/SVD>
#include <complex>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// Ascent ends with a sweep over all members that gains less than this share, or after so many sweeps.
constexpr double kLeastGain = 1e-5;
constexpr int kMostSweeps = 50;

// The end of an ascent: `turned` is how strong the members were together as each was turned in the last sweep.
class Ascent {
 public:
  bool is_over(double turned) {
    const bool over = ++sweeps_ == kMostSweeps || turned - before_ <= kLeastGain * turned;
    before_ = turned;
    return over;
  }

 private:
  int sweeps_ = 0;
  double before_ = 0;
};

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
    return std::abs(sum);
  };
  for (Eigen::Index i = 1; i < count; ++i) turn(i, i);
  if (count <= 2) return phases;  // one turn is the optimum
  Ascent ascent;
  for (double turned = 0;; turned = 0) {
    for (Eigen::Index i = 1; i < count; ++i) turned += turn(i, count);
    if (ascent.is_over(turned)) return phases;
  }
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
  // The polar factor of what member i meets is the orthogonal map that aligns it best.
  const auto turn = [&](Eigen::Index i, Eigen::Index end) {
    const Eigen::BDCSVD<Eigen::MatrixXd> svd(others(i, end), Eigen::ComputeFullU | Eigen::ComputeFullV);
    rotations[static_cast<std::size_t>(i)].noalias() = svd.matrixU() * svd.matrixV().transpose();
    return svd.singularValues().sum();
  };
  for (Eigen::Index i = 1; i < count; ++i) turn(i, i);
  if (count <= 2) return rotations;  // one turn is the optimum
  Ascent ascent;
  for (double turned = 0;; turned = 0) {
    for (Eigen::Index i = 1; i < count; ++i) turned += turn(i, count);
    if (ascent.is_over(turned)) return rotations;
  }
}

}  // namespace regroup
