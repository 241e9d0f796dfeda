// Rotary embedding of rows against double precision, forwards and back, every profile.
#include "runtime/ops/rotate_rows.h"

#include "runtime/selftest/reference/rope.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class RotateRowsTest : public ProfileTest {
 protected:
  std::vector<float> table(std::uint32_t positions, std::uint32_t planes) {
    std::vector<float> turns;
    for (std::uint32_t t = 0; t < positions; ++t) {
      for (std::uint32_t p = 0; p < planes; ++p) {
        const double angle = t * std::pow(100.0, -1.0 * p / std::max(planes, 1u));
        turns.push_back(static_cast<float>(std::cos(angle)));
        turns.push_back(static_cast<float>(std::sin(angle)));
      }
    }
    if (turns.empty()) turns.push_back(0);
    return turns;
  }
};

TEST_F(RotateRowsTest, TurnsEveryHeadAndBack) {
  struct Shape {
    std::uint32_t heads, head_dim, rotary_dims, sequences, length, extra;
  };
  for (const KernelProfile& profile : profiles()) {
    for (const Shape c : {Shape{3, 8, 8, 2, 5, 0}, Shape{9, 64, 64, 1, 3, 8}, Shape{2, 12, 6, 3, 4, 4},
                          Shape{1, 32, 2, 2, 2, 0}, Shape{2, 8, 0, 1, 3, 0}}) {
      SCOPED_TRACE(fmt::format("{} heads {} head_dim {} rotary {}", profile.name, c.heads, c.head_dim, c.rotary_dims));
      const std::uint32_t width = c.heads * c.head_dim, stride = width + c.extra, planes = c.rotary_dims / 2;
      const std::uint32_t tokens = c.sequences * c.length;
      const std::vector<float> rows = noise(c.extra + tokens * stride, 3), turns = table(c.length, planes);
      Buffer& buffer = upload_new(rows);
      RotateRows op{.rows = {buffer, c.extra, stride},
                    .table = upload_new(turns),
                    .tokens = tokens,
                    .length = c.length,
                    .heads = c.heads,
                    .head_dim = c.head_dim,
                    .rotary_dims = c.rotary_dims};
      run(profile, op);
      std::vector<double> expected(rows.begin(), rows.end());
      for (std::uint32_t t = 0; t < tokens; ++t) {
        const auto of_token = std::span(turns).subspan(std::size_t{t % c.length} * planes * 2, planes * 2);
        for (std::uint32_t h = 0; h < c.heads; ++h) {
          double* head = expected.data() + c.extra + t * stride + h * c.head_dim;
          const std::vector<double> turned = reference::rope({head, c.head_dim}, of_token, true);
          std::copy(turned.begin(), turned.end(), head);
        }
      }
      EXPECT_LE(worst_error(floats(buffer, rows.size()), expected, 1e-5, 1e-6), 1.0);
      op.inverse = true;
      run(profile, op);
      EXPECT_LE(worst_error(floats(buffer, rows.size()), rows, 1e-5, 1e-6), 1.0);
    }
  }
}

}  // namespace
}  // namespace regroup::test
