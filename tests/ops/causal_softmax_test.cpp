// Causal softmax and the way back through it against double precision, every profile: weights to 2e-6 of 1, gradients
// (of size 1 to 30) to 2e-5.
#include "runtime/ops/causal_softmax.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class CausalSoftmaxTest : public ProfileTest {
 protected:
  static constexpr float kUntouched = 1e30f;  // a logit like this would take all weight

  struct Shape {
    std::uint32_t batches, length, stride, window = 0, offset = 0;
    std::size_t row(std::uint32_t b, std::uint32_t s) const { return offset + (std::size_t{b} * length + s) * stride; }
    std::size_t floats() const { return offset + std::size_t{batches} * length * stride; }
    bool sees(std::uint32_t s, std::uint32_t t) const { return t <= s && (window == 0 || t + window > s); }
  };

  std::vector<float> logits(const Shape& shape, float scale) {
    std::vector<float> values = noise(shape.floats(), shape.length, scale);
    for (std::uint32_t b = 0; b < shape.batches; ++b) {
      for (std::uint32_t s = 0; s < shape.length; ++s) {
        for (std::uint32_t t = 0; t < shape.stride; ++t) {
          if (!shape.sees(s, t)) values[shape.row(b, s) + t] = kUntouched;
        }
      }
    }
    return values;
  }

  // Row by row, padded with the zeros that the contract promises; what it does not promise keeps `before`.
  std::vector<double> expected_weights(const Shape& shape, const std::vector<float>& before) {
    std::vector<double> out(before.begin(), before.end());
    for (std::uint32_t b = 0; b < shape.batches; ++b) {
      for (std::uint32_t s = 0; s < shape.length; ++s) {
        double* row = out.data() + shape.row(b, s);
        double most = -1e300, sum = 0;
        for (std::uint32_t t = 0; t <= s; ++t) {
          if (shape.sees(s, t)) most = std::max(most, row[t]);
        }
        for (std::uint32_t t = 0; t < (s / 4 + 1) * 4; ++t) {
          row[t] = shape.sees(s, t) ? std::exp(row[t] - most) : 0;
          sum += row[t];
        }
        for (std::uint32_t t = 0; t < (s / 4 + 1) * 4; ++t) row[t] /= sum;
      }
    }
    return out;
  }
};

TEST_F(CausalSoftmaxTest, WeightsMatchTheReference) {
  for (const KernelProfile& profile : profiles()) {
    for (const Shape shape : {Shape{1, 1, 4}, Shape{3, 5, 8}, Shape{2, 66, 68, 0, 8}, Shape{1, 300, 300},
                              Shape{2, 40, 44, 7}, Shape{1, 130, 132, 64}}) {
      for (const float scale : {1.0f, 30.0f}) {
        const std::vector<float> before = logits(shape, scale);
        Buffer& buffer = upload_new(before);
        run(profile, CausalSoftmax{{buffer, shape.offset, shape.batches, shape.length, shape.stride}, shape.window});
        EXPECT_LE(worst_error(floats(buffer, before.size()), expected_weights(shape, before), 2e-6, 4e-6), 1.0)
            << profile.name << " length " << shape.length << " window " << shape.window << " scale " << scale;
      }
    }
  }
}

TEST_F(CausalSoftmaxTest, GradientGoesBackThroughTheWeights) {
  for (const KernelProfile& profile : profiles()) {
    for (const Shape shape : {Shape{1, 1, 4}, Shape{3, 5, 8}, Shape{2, 66, 68, 0, 8}, Shape{1, 300, 300}}) {
      const std::vector<float> raw = logits(shape, 2.0f);
      const std::vector<double> exact = expected_weights(shape, raw);
      const std::vector<float> weights(exact.begin(), exact.end());
      const std::vector<float> gradient = logits(shape, 1.0f);
      Buffer& weight_buffer = upload_new(weights);
      Buffer& gradient_buffer = upload_new(gradient);
      run(profile, SoftmaxBackward{{weight_buffer, shape.offset, shape.batches, shape.length, shape.stride},
                                   {gradient_buffer, shape.offset, shape.batches, shape.length, shape.stride}});
      std::vector<double> expected(gradient.begin(), gradient.end());
      for (std::uint32_t b = 0; b < shape.batches; ++b) {
        for (std::uint32_t s = 0; s < shape.length; ++s) {
          const std::size_t row = shape.row(b, s);
          double mean = 0;
          for (std::uint32_t t = 0; t <= s; ++t) mean += double{weights[row + t]} * gradient[row + t];
          for (std::uint32_t t = 0; t < (s / 4 + 1) * 4; ++t) {
            expected[row + t] = t <= s ? weights[row + t] * (gradient[row + t] - mean) : 0;
          }
        }
      }
      EXPECT_LE(worst_error(floats(gradient_buffer, expected.size()), expected, 2e-5, 4e-6), 1.0)
          << profile.name << " length " << shape.length;
    }
  }
}

}  // namespace
}  // namespace regroup::test
