// One attention layer forward and backward on the device: outputs against the host's double precision, gradients
// against central differences of the host's loss along random directions and single weights (relative 1e-4).
#include "converter/training/attention_pass.h"

#include "tests/converter/calibration_sample.h"

namespace regroup::test {
namespace {

class AttentionPassDeviceTest : public DeviceTest {
 protected:
  // sum over all outputs of the fixed cotangent times y, so that dy is the cotangent.
  double loss(const AttentionLayer& layer, const LayerSample& sample, const std::vector<Eigen::MatrixXd>& cotangent,
              std::uint32_t window) {
    double sum = 0;
    for (std::size_t s = 0; s < sample.inputs.size(); ++s) {
      sum += attend_on_host(layer, sample.inputs[s], sample.rope_table, window).output.cwiseProduct(cotangent[s]).sum();
    }
    return sum;
  }

  static Eigen::MatrixXd with_bias(const WeightRows& weights, const Eigen::VectorXf& bias) {
    Eigen::MatrixXd out(weights.rows(), weights.cols() + (bias.size() > 0 ? 1 : 0));
    out.leftCols(weights.cols()) = weights.cast<double>();
    if (bias.size() > 0) out.col(weights.cols()) = bias.cast<double>();
    return out;
  }
  static void set(WeightRows& weights, Eigen::VectorXf& bias, const Eigen::MatrixXd& values) {
    weights = values.leftCols(weights.cols()).cast<float>();
    if (bias.size() > 0) bias = values.col(weights.cols()).cast<float>();
  }

  // Compares <gradient, direction> with central differences for the matrix that `pick` picks. Weights are floats: what
  // a step really moves is measured.
  template <typename Pick>
  void check_slopes(const LayerSample& sample, const std::vector<Eigen::MatrixXd>& cotangent, std::uint32_t window,
                    const WeightRows& gradient, Pick pick, const char* name) {
    std::mt19937 random(11);
    std::normal_distribution<double> normal;
    Eigen::VectorXf none;
    AttentionLayer layer = sample.layer;
    auto [weights, bias] = pick(layer, none);
    const Eigen::MatrixXd start = with_bias(*weights, *bias);
    const Eigen::MatrixXd slopes = gradient.leftCols(start.cols()).cast<double>();
    for (int trial = 0; trial < 5; ++trial) {
      Eigen::MatrixXd direction = Eigen::MatrixXd::Zero(start.rows(), start.cols());
      if (trial < 2) {
        direction = Eigen::MatrixXd::NullaryExpr(start.rows(), start.cols(), [&] { return normal(random); });
      } else {  // one weight; the bias's column last
        direction(random() % start.rows(),
                  trial == 4 ? start.cols() - 1 : static_cast<Eigen::Index>(random()) % start.cols()) = 1;
      }
      direction *= 0.004 * start.norm() / direction.norm();
      if (trial >= 2) direction *= 0.2;
      set(*weights, *bias, start + direction);
      const Eigen::MatrixXd above = with_bias(*weights, *bias);
      const double high = loss(layer, sample, cotangent, window);
      set(*weights, *bias, start - direction);
      const Eigen::MatrixXd below = with_bias(*weights, *bias);
      const double low = loss(layer, sample, cotangent, window);
      // Half the step for Richardson's extrapolation: the differences' error is of the fourth order.
      set(*weights, *bias, start + 0.5 * direction);
      const Eigen::MatrixXd half_above = with_bias(*weights, *bias);
      const double half_high = loss(layer, sample, cotangent, window);
      set(*weights, *bias, start - 0.5 * direction);
      const Eigen::MatrixXd half_below = with_bias(*weights, *bias);
      const double half_low = loss(layer, sample, cotangent, window);
      set(*weights, *bias, start);
      const double measured = (4 * 2 * (half_high - half_low) - (high - low)) / 3;
      const double told =
          (4 * 2 * slopes.cwiseProduct(half_above - half_below).sum() - slopes.cwiseProduct(above - below).sum()) / 3;
      EXPECT_NEAR(told, measured, 1e-4 * std::abs(measured) + 2e-5 * slopes.norm() * direction.norm())
          << name << " trial " << trial;
    }
  }
};

TEST_F(AttentionPassDeviceTest, ForwardAndGradientsMatchTheHost) {
  for (const LayerShape& shape : calibration_shapes()) {
    for (const std::uint32_t window : {0u, 5u}) {
      SCOPED_TRACE(to_string(shape) + fmt::format(", window {}", window));
      LayerSample sample(shape);
      CalibrationSample on_device(device(), sample, 0.0, 0, window);
      const LayerCalibration calibration(*on_device.inputs);  // brings the inputs with their column of ones
      const std::uint32_t sequences = calibration.sequences(), length = calibration.length();
      const std::uint32_t d = shape.hidden, stride = (d + 3) / 4 * 4, tokens = sequences * length;

      Arena arena(device(), MemoryUse::kDevice, "test");
      const DeviceAttention weights = allocate_attention(arena, sample.layer, calibration.input_columns());
      const DeviceAttention gradients = allocate_attention(arena, sample.layer, calibration.input_columns());
      upload_attention(device(), sample.layer, weights);
      const Activations y{arena.buffer(4 * tokens * stride, "y"), 0, stride};
      const Activations dy{arena.buffer(4 * tokens * stride, "dy"), 0, stride};
      WeightRows rows = WeightRows::Zero(tokens, stride);
      std::vector<Eigen::MatrixXd> cotangent;
      for (std::uint32_t s = 0; s < sequences; ++s) {
        rows.block(s * length, 0, length, d) = sample.noise(length, d);
        cotangent.push_back(rows.block(s * length, 0, length, d).cast<double>());
      }
      upload_values<float>(device(), *dy.buffer.buffer, {rows.data(), static_cast<std::size_t>(rows.size())});

      AttentionPass pass(device(), on_device.profile, calibration.batch_shape(shape.kv_heads), calibration.settings());
      CommandList list(device());
      pass.forward(list, weights, calibration.student_inputs(), y, sequences);
      pass.backward(list, weights, calibration.student_inputs(), dy, gradients, sequences);
      list.run();

      const std::vector<float> output = download_values<float>(device(), y.buffer, std::size_t{tokens} * stride);
      double worst = 0, largest = 0;
      for (std::uint32_t s = 0; s < sequences; ++s) {
        const Eigen::MatrixXd wanted =
            attend_on_host(sample.layer, on_device.student[s], sample.rope_table, window).output;
        for (std::uint32_t t = 0; t < length; ++t) {
          for (std::uint32_t i = 0; i < d; ++i) {
            worst = std::max(worst, std::abs(output[(s * length + t) * stride + i] - wanted(t, i)));
          }
        }
        largest = std::max(largest, wanted.cwiseAbs().maxCoeff());
      }
      EXPECT_LE(worst, 1e-5 * largest);

      using Picked = std::pair<WeightRows*, Eigen::VectorXf*>;
      check_slopes(
          sample, cotangent, window, download_weights(device(), gradients.query),
          [](AttentionLayer& l, Eigen::VectorXf&) {
            return Picked{&l.query, &l.query_bias};
          },
          "query");
      check_slopes(
          sample, cotangent, window, download_weights(device(), gradients.key),
          [](AttentionLayer& l, Eigen::VectorXf&) {
            return Picked{&l.key, &l.key_bias};
          },
          "key");
      check_slopes(
          sample, cotangent, window, download_weights(device(), gradients.value),
          [](AttentionLayer& l, Eigen::VectorXf&) {
            return Picked{&l.value, &l.value_bias};
          },
          "value");
      check_slopes(
          sample, cotangent, window, download_weights(device(), gradients.output),
          [](AttentionLayer& l, Eigen::VectorXf& none) {
            return Picked{&l.output, &none};
          },
          "output");
    }
  }
}

}  // namespace
}  // namespace regroup::test
