// RMS normalisation against double precision: relative error 2e-6 and absolute 1e-6, every profile.
#include "runtime/ops/rms_norm.h"

#include "runtime/selftest/reference/rms_norm.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class RmsNormDeviceTest : public ProfileTest {
 protected:
  struct Shape {
    std::uint32_t tokens, columns;
    std::uint32_t x_offset = 0, x_stride = 0;  // stride 0: columns rounded up to 4
    std::uint32_t y_offset = 0, y_stride = 0;
  };
  static constexpr float kUntouched = 7.5f;
  static constexpr float kEpsilon = 1e-5f;

  void check(const KernelProfile& profile, Shape shape, bool accumulate, bool in_place) {
    SCOPED_TRACE(fmt::format("{} tokens {} columns {} accumulate {} in place {}", profile.name, shape.tokens,
                             shape.columns, accumulate, in_place));
    const std::uint32_t packed = (shape.columns + 3) / 4 * 4;
    if (shape.x_stride == 0) shape.x_stride = packed;
    if (shape.y_stride == 0) shape.y_stride = packed;
    if (in_place) shape.y_offset = shape.x_offset, shape.y_stride = shape.x_stride;
    const std::vector<float> x = noise(shape.x_offset + shape.tokens * shape.x_stride + 4, shape.columns);
    const std::vector<float> gain = noise(shape.columns, 5);
    const std::vector<float> before =
        in_place ? x : std::vector<float>(shape.y_offset + shape.tokens * shape.y_stride + 4, kUntouched);
    Buffer& x_buffer = upload_new(x);
    Buffer& y_buffer = in_place ? x_buffer : upload_new(before);
    run(profile, RmsNorm{.x = {x_buffer, shape.x_offset, shape.x_stride},
                         .y = {y_buffer, shape.y_offset, shape.y_stride},
                         .gain = upload_new(gain),
                         .columns = shape.columns,
                         .tokens = shape.tokens,
                         .epsilon = kEpsilon,
                         .accumulate = accumulate});
    const std::vector<float> y = floats(y_buffer, before.size());
    // Beside the rows and past a row's last chunk of four nothing may change.
    std::vector<double> expected(before.begin(), before.end());
    for (std::uint32_t t = 0; t < shape.tokens; ++t) {
      const auto row =
          reference::rms_norm(std::span(x).subspan(shape.x_offset + t * shape.x_stride, shape.columns), gain, kEpsilon);
      for (std::uint32_t i = 0; i < packed; ++i) {
        double& out = expected[shape.y_offset + t * shape.y_stride + i];
        out = i < shape.columns ? row[i] + (accumulate ? out : 0.0) : 0.0;
      }
    }
    EXPECT_LE(worst_error(y, expected, 1e-6, 2e-6), 1.0);
  }
};

TEST_F(RmsNormDeviceTest, MatchesReferenceInEveryShape) {
  for (const KernelProfile& profile : profiles()) {
    for (const std::uint32_t columns : {1u, 3u, 65u, 576u, 2050u})
      check(profile, {.tokens = 3, .columns = columns}, false, false);
    check(profile, {.tokens = 33, .columns = 96, .x_offset = 8, .x_stride = 128, .y_offset = 4, .y_stride = 100}, false,
          false);
  }
}

TEST_F(RmsNormDeviceTest, NormalisesTheWidestRow) {
  for (const KernelProfile& profile : profiles()) check(profile, {.tokens = 2, .columns = 16384}, false, false);
}

TEST_F(RmsNormDeviceTest, AccumulatesAndWorksInPlace) {
  for (const KernelProfile& profile : profiles()) {
    check(profile, {.tokens = 7, .columns = 65, .y_offset = 4, .y_stride = 72}, true, false);
    check(profile, {.tokens = 7, .columns = 640, .x_offset = 4, .x_stride = 648}, false, true);
    check(profile, {.tokens = 2, .columns = 65}, true, true);
  }
}

TEST_F(RmsNormDeviceTest, SmallAndLargeRowsKeepTheirScale) {
  for (const KernelProfile& profile : profiles()) {
    for (const float scale : {1e-4f, 1e6f}) {
      const std::vector<float> x = noise(64, 3, scale), gain(64, 1.0f);
      Buffer& y = upload_new(x);
      run(profile,
          RmsNorm{.x = {y, 0, 64}, .y = {y, 0, 64}, .gain = upload_new(gain), .columns = 64, .epsilon = kEpsilon});
      EXPECT_LE(worst_error(floats(y, 64), reference::rms_norm(x, gain, kEpsilon), 1e-7, 2e-6), 1.0) << profile.name;
    }
  }
}

}  // namespace
}  // namespace regroup::test
