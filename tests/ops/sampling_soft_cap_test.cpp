// The soft-cap of logits against double precision: relative error 2e-6 and absolute 1e-7, every profile.
#include <cmath>
#include <limits>

#include "runtime/ops/sampling.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Where the rows start in their buffer.
constexpr std::uint32_t kOffset = 8;

class SoftCapDeviceTest : public ProfileTest {};

TEST_F(SoftCapDeviceTest, FollowsTheTangent) {
  for (const KernelProfile& profile : profiles()) {
    for (const std::uint32_t columns : {3u, 65u, 2048u, 49155u}) {
      SCOPED_TRACE(fmt::format("{} columns {}", profile.name, columns));
      const std::uint32_t tokens = columns > 2048 ? 1 : 3, stride = (columns + 3) / 4 * 4 + 4;
      std::vector<float> y = noise(kOffset + tokens * stride, columns, 30.0f);
      y[kOffset] = 1e30f;
      y[kOffset + 1] = 1e-6f;
      y[kOffset + 2] = -8.9f;
      const std::vector<float> before = y;
      Buffer& buffer = upload_new(y);
      run(profile, SoftCap{.logits = {buffer, kOffset, stride}, .columns = columns, .tokens = tokens, .cap = 30.0f});
      const std::vector<float> found = floats(buffer, y.size());
      std::vector<double> expected(before.begin(), before.end());
      for (std::uint32_t t = 0; t < tokens; ++t) {
        for (std::uint32_t i = 0; i < columns; ++i) {
          double& value = expected[kOffset + t * stride + i];
          value = 30.0 * std::tanh(value / 30.0);
        }
      }
      // The rest of a row's last four may be capped as well: it belongs to the row.
      std::vector<float> compared = found;
      for (std::uint32_t t = 0; t < tokens; ++t) {
        for (std::uint32_t i = columns; i % 4 != 0; ++i) {
          compared[kOffset + t * stride + i] = before[kOffset + t * stride + i];
        }
      }
      EXPECT_LE(worst_error(compared, expected, 1e-7, 2e-6), 1.0);
    }
  }
}

TEST_F(SoftCapDeviceTest, KeepsNans) {
  for (const KernelProfile& profile : profiles()) {
    Buffer& buffer = upload_new(std::vector<float>{kNan, kInfinity, -kInfinity, 0.0f});
    run(profile, SoftCap{.logits = {buffer, 0, 4}, .columns = 4, .cap = 30.0f});
    const std::vector<float> found = floats(buffer, 4);
    EXPECT_TRUE(std::isnan(found[0])) << profile.name;
    EXPECT_EQ(found[1], 30.0f);
    EXPECT_EQ(found[2], -30.0f);
    EXPECT_EQ(found[3], 0.0f);
  }
}

}  // namespace
}  // namespace regroup::test
