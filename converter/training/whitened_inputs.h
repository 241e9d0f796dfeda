// A layer's student inputs in coordinates where they are uncorrelated and equally large: least squares converges in few
// steps there, whatever outliers the model's inputs have.
#pragma once

#include <Eigen/Cholesky>

#include "converter/layer_calibration.h"

namespace regroup {

class WhitenedInputs {
 public:
  // x~ = L^-1 x with L L^T = E[x x^T] + damping I over the fitted sequences; damping: a small share of the mean of the
  // diagonal. For all sequences, held-out ones included.
  explicit WhitenedInputs(LayerCalibration& calibration);

  const Activations& rows() const { return rows_; }   // [tokens, columns()]
  std::uint32_t columns() const { return columns_; }  // as LayerCalibration::input_columns()
  // Weights that do to x~ what `weights` (and its bias) do to x, and back.
  WeightRows to_whitened(const WeightRows& weights, const Eigen::VectorXf& bias) const;
  void from_whitened(const WeightRows& whitened, WeightRows& weights, Eigen::VectorXf& bias) const;

 private:
  std::uint32_t columns_;
  Eigen::MatrixXd factor_;  // L
  Arena arena_;
  Activations rows_;
};

}  // namespace regroup
