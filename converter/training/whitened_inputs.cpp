#include "converter/training/whitened_inputs.h"

#include "runtime/core/error.h"

namespace regroup {
namespace {

// Of the mean input energy: directions that hardly occur in the calibration text are not blown up.
constexpr double kDamping = 1e-2;

}  // namespace

WhitenedInputs::WhitenedInputs(LayerCalibration& calibration)
    : columns_(calibration.input_columns()), arena_(calibration.device(), MemoryUse::kDevice, "whitened inputs") {
  Device& device = calibration.device();
  const std::uint32_t tokens = calibration.sequences() * calibration.length();
  const std::uint32_t fitted = calibration.fitted_sequences() * calibration.length();
  const DeviceWeights square{arena_.buffer(std::uint64_t{4} * columns_ * columns_, "covariance"), columns_, columns_};
  const Activations& x = calibration.student_inputs();
  rows_ = {arena_.buffer(std::uint64_t{4} * tokens * columns_, "whitened inputs"), 0, columns_};

  CommandList list(device);
  AttentionProducts products(list, calibration.profile());
  products.weight_gradient(x, x, square, fitted, 1.0f / static_cast<float>(fitted), 0);
  list.run(calibration.cancel());
  list.reset();
  Eigen::MatrixXd covariance = download_weights(device, square).cast<double>();
  // Columns past the inputs may hold anything finite: they stay out.
  const Eigen::Index used = calibration.input_width(), past = columns_ - used;
  covariance.rightCols(past).setZero();
  covariance.bottomRows(past).setZero();
  const double damping = kDamping * covariance.trace() / static_cast<double>(used) + 1e-30;
  covariance.diagonal().array() += damping;
  const Eigen::LLT<Eigen::MatrixXd> cholesky(covariance);
  REGROUP_CHECK(cholesky.info() == Eigen::Success);
  factor_ = cholesky.matrixL();
  Eigen::MatrixXd inverse = factor_.triangularView<Eigen::Lower>().solve(Eigen::MatrixXd::Identity(columns_, columns_));
  inverse.bottomRows(past).setZero();
  upload_weights(device, inverse.cast<float>(), square);
  products.project(x, square, rows_, tokens);
  list.run(calibration.cancel());
}

WeightRows WhitenedInputs::to_whitened(const WeightRows& weights, const Eigen::VectorXf& bias) const {
  Eigen::MatrixXd full = Eigen::MatrixXd::Zero(weights.rows(), columns_);
  full.leftCols(weights.cols()) = weights.cast<double>();
  if (bias.size() > 0) full.col(weights.cols()) = bias.cast<double>();
  return (full * factor_.triangularView<Eigen::Lower>()).cast<float>();
}

void WhitenedInputs::from_whitened(const WeightRows& whitened, WeightRows& weights, Eigen::VectorXf& bias) const {
  // W = W~ L^-1
  const Eigen::MatrixXd full = factor_.triangularView<Eigen::Lower>().solve<Eigen::OnTheRight>(whitened.cast<double>());
  weights = full.leftCols(weights.cols()).cast<float>();
  if (bias.size() > 0) bias = full.col(weights.cols()).cast<float>();
}

}  // namespace regroup
