// The way back through a root-mean-square norm against double precision and, for the reference itself, against
// differences of the norm; every profile.
#include "runtime/ops/norm_backward.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

constexpr float kEpsilon = 1e-3f;

std::vector<double> normed(const std::vector<double>& x, const std::vector<float>& gain) {
  double squares = 0;
  for (const double value : x) squares += value * value;
  const double r = 1 / std::sqrt(squares / static_cast<double>(x.size()) + kEpsilon);
  std::vector<double> y;
  for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * r * gain[i]);
  return y;
}

// The gradient of <dy, normed(x)> by central differences.
std::vector<double> slopes(std::vector<double> x, const std::vector<float>& gain, const std::vector<double>& dy) {
  const auto loss = [&] {
    const std::vector<double> y = normed(x, gain);
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * dy[i];
    return sum;
  };
  std::vector<double> out;
  for (double& value : x) {
    constexpr double kStep = 1e-5;
    const double start = value;
    value = start + kStep;
    const double high = loss();
    value = start - kStep;
    out.push_back((high - loss()) / (2 * kStep));
    value = start;
  }
  return out;
}

class NormBackwardTest : public ProfileTest {};

TEST_F(NormBackwardTest, AddsTheGradientOfEveryRow) {
  struct Shape {
    std::uint32_t rows, columns, extra;
  };
  for (const KernelProfile& profile : profiles()) {
    for (const Shape c : {Shape{1, 1, 0}, Shape{9, 3, 4}, Shape{21, 65, 8}, Shape{10, 256, 0}}) {
      const std::uint32_t stride = (c.columns + 3) / 4 * 4 + c.extra;
      const std::vector<float> x = noise(c.extra + c.rows * stride, 1), dy = noise(2 * c.extra + c.rows * stride, 2);
      const std::vector<float> gain = noise((c.columns + 3) / 4 * 4, 3), before = noise(c.rows * stride, 4);
      Buffer& dx = upload_new(before);
      run(profile, NormBackward{.x = {upload_new(x), c.extra, stride},
                                .dy = {upload_new(dy), 2 * c.extra, stride},
                                .gain = upload_new(gain),
                                .dx = {dx, 0, stride},
                                .columns = c.columns,
                                .rows = c.rows,
                                .epsilon = kEpsilon});
      std::vector<double> expected(before.begin(), before.end());  // what lies between rows stays
      for (std::uint32_t t = 0; t < c.rows; ++t) {
        const auto row = [&](const std::vector<float>& from, std::uint32_t offset) {
          const auto first = from.begin() + offset + t * stride;
          return std::vector<double>(first, first + c.columns);
        };
        const std::vector<double> slope = slopes(row(x, c.extra), gain, row(dy, 2 * c.extra));
        for (std::uint32_t i = 0; i < c.columns; ++i) expected[t * stride + i] += slope[i];
      }
      EXPECT_LE(worst_error(floats(dx, expected.size()), expected, 3e-4, 3e-5), 1.0)
          << profile.name << " columns " << c.columns;
    }
  }
}

}  // namespace
}  // namespace regroup::test
