// Squared differences of rows against double precision, every profile.
#include "runtime/ops/row_error.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class RowErrorTest : public ProfileTest {};

TEST_F(RowErrorTest, AddsUpEveryRow) {
  struct Shape {
    std::uint32_t rows, columns, extra;
  };
  for (const KernelProfile& profile : profiles()) {
    for (const Shape c : {Shape{1, 1, 0}, Shape{9, 3, 4}, Shape{70, 65, 8}, Shape{33, 576, 0}}) {
      const std::uint32_t stride = (c.columns + 3) / 4 * 4 + c.extra;
      const std::vector<float> a = noise(c.extra + c.rows * stride, 1), b = noise(2 * c.extra + c.rows * stride, 2);
      Buffer& errors = upload_new(std::vector<float>(2 * c.rows));
      run(profile, RowError{.a = {upload_new(a), c.extra, stride},
                            .b = {upload_new(b), 2 * c.extra, stride},
                            .errors = errors,
                            .rows = c.rows,
                            .columns = c.columns});
      std::vector<double> expected;
      for (std::uint32_t t = 0; t < c.rows; ++t) {
        double difference = 0, square = 0;
        for (std::uint32_t i = 0; i < c.columns; ++i) {
          const double x = a[c.extra + t * stride + i], y = b[2 * c.extra + t * stride + i];
          difference += (x - y) * (x - y);
          square += y * y;
        }
        expected.insert(expected.end(), {difference, square});
      }
      EXPECT_LE(worst_error(floats(errors, expected.size()), expected, 1e-6, 3e-6), 1.0)
          << profile.name << " columns " << c.columns;
    }
  }
}

}  // namespace
}  // namespace regroup::test
