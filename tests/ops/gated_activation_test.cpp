// SwiGLU and GeGLU against double precision (relative 5e-6, absolute 1e-6) and at the ends of the float range, every
// profile.
#include "runtime/ops/gated_activation.h"

#include "runtime/selftest/reference/gated_activation.h"
#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class GatedProductDeviceTest : public ProfileTest {
 protected:
  static double activated(GatedActivation activation, float gate) {
    return activation == GatedActivation::kSilu ? reference::silu(gate) : reference::gelu_tanh(gate);
  }

  void check(const KernelProfile& profile, GatedActivation activation, std::uint32_t tokens, std::uint32_t columns,
             bool in_place) {
    SCOPED_TRACE(fmt::format("{} tokens {} columns {} in place {}", profile.name, tokens, columns, in_place));
    // Gate and up side by side, as one product leaves them.
    const std::uint32_t half = (columns + 3) / 4 * 4, stride = 2 * half + 4;
    const std::vector<float> rows = noise(tokens * stride, columns + tokens, 2.0f);
    Buffer& both = upload_new(rows);
    const std::vector<float> before = in_place ? rows : std::vector<float>(tokens * half, 7.5f);
    Buffer& out = in_place ? both : upload_new(before);
    const std::uint32_t out_stride = in_place ? stride : half;
    run(profile, GatedProduct{.gate = {both, 0, stride},
                              .up = {both, half, stride},
                              .y = {out, 0, out_stride},
                              .columns = columns,
                              .tokens = tokens,
                              .activation = activation});
    const std::vector<float> got = floats(out, before.size());
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const std::span<const float> gate = std::span(rows).subspan(t * stride, columns);
      const std::span<const float> up = std::span(rows).subspan(t * stride + half, columns);
      std::vector<double> expected(columns);
      for (std::uint32_t i = 0; i < columns; ++i) expected[i] = activated(activation, gate[i]) * up[i];
      EXPECT_LE(worst_error(std::span(got).subspan(t * out_stride, columns), expected, 1e-6, 5e-6), 1.0);
      // In place, up stays as it was.
      for (std::uint32_t i = half; in_place && i < stride; ++i) ASSERT_EQ(got[t * stride + i], rows[t * stride + i]);
    }
  }
};

TEST_F(GatedProductDeviceTest, MatchesReference) {
  for (const KernelProfile& profile : profiles()) {
    for (const GatedActivation activation : {GatedActivation::kSilu, GatedActivation::kGeluTanh}) {
      check(profile, activation, 1, 1536, false);
      check(profile, activation, 33, 65, false);
      check(profile, activation, 7, 3, true);
      check(profile, activation, 2, 1, true);
    }
  }
}

TEST_F(GatedProductDeviceTest, LargeGatesStayFinite) {
  const std::vector<float> gate = {-1e30f, -1e10f, -1000, -120, -90,   -20,   -0.0f,  0,
                                   20,     90,     120,   1000, 1e10f, 1e30f, 1e-30f, -1e-30f};
  const std::vector<float> up(gate.size(), 2.0f);
  for (const KernelProfile& profile : profiles()) {
    for (const GatedActivation activation : {GatedActivation::kSilu, GatedActivation::kGeluTanh}) {
      Buffer& y = upload_new(up);
      run(profile, GatedProduct{.gate = {upload_new(gate), 0, 16},
                                .up = {upload_new(up), 0, 16},
                                .y = {y, 0, 16},
                                .columns = 16,
                                .activation = activation});
      std::vector<double> expected;
      for (const float z : gate) expected.push_back(2 * activated(activation, z));
      EXPECT_LE(worst_error(floats(y, 16), expected, 1e-6, 5e-6), 1.0) << profile.name;
    }
  }
}

}  // namespace
}  // namespace regroup::test
