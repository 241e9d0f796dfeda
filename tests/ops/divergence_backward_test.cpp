// The gradient of a divergence against double precision, every profile.
#include "runtime/ops/divergence_backward.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

std::vector<double> softmax(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  std::vector<double> out;
  double sum = 0;
  for (const float logit : logits) sum += out.emplace_back(std::exp(logit - most));
  for (double& value : out) value /= sum;
  return out;
}

class DivergenceBackwardTest : public ProfileTest {};

TEST_F(DivergenceBackwardTest, IsTheDifferenceOfProbabilities) {
  struct Shape {
    std::uint32_t rows, columns, extra;
    float scale, shift;
  };
  for (const KernelProfile& profile : profiles()) {
    for (const Shape c :
         {Shape{1, 1, 0, 1, 0}, Shape{9, 3, 4, 1, 0}, Shape{21, 2049, 8, 3, 0}, Shape{5, 66, 0, 2, -400}}) {
      const std::uint32_t stride = (c.columns + 3) / 4 * 4 + c.extra;
      std::vector<float> baseline = noise(c.extra + c.rows * stride, 1, c.scale);
      std::vector<float> logits = noise(2 * c.extra + c.rows * stride, 2, c.scale);
      for (float& value : logits) value += c.shift;
      Buffer& buffer = upload_new(logits);
      run(profile, DivergenceBackward{.baseline = {upload_new(baseline), c.extra, stride},
                                      .logits = {buffer, 2 * c.extra, stride},
                                      .columns = c.columns,
                                      .rows = c.rows});
      const std::vector<float> got = floats(buffer, logits.size());
      for (std::uint32_t t = 0; t < c.rows; ++t) {
        const std::size_t p_row = c.extra + t * stride, q_row = 2 * c.extra + t * stride;
        const std::vector<double> p = softmax(std::span(baseline).subspan(p_row, c.columns));
        std::vector<double> expected = softmax(std::span(logits).subspan(q_row, c.columns));
        for (std::uint32_t i = 0; i < c.columns; ++i) expected[i] -= p[i];
        EXPECT_LE(worst_error(std::span(got).subspan(q_row, c.columns), expected, 1e-6, 2e-5), 1.0)
            << profile.name << " columns " << c.columns;
      }
    }
  }
}

}  // namespace
}  // namespace regroup::test
