// The way back through gated products against differences of them in double precision, every profile.
#include "runtime/ops/gate_backward.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

double activated(double z, GatedActivation activation) {
  if (activation == GatedActivation::kSilu) return z / (1 + std::exp(-z));
  return z / 2 * (1 + std::tanh(std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z)));
}

class GateBackwardTest : public ProfileTest {};

TEST_F(GateBackwardTest, ReplacesGateAndUpByTheirGradients) {
  struct Shape {
    std::uint32_t tokens, columns, extra;
  };
  for (const KernelProfile& profile : profiles()) {
    for (const GatedActivation activation : {GatedActivation::kSilu, GatedActivation::kGeluTanh}) {
      for (const Shape c : {Shape{1, 1, 0}, Shape{5, 7, 4}, Shape{3, 516, 8}}) {
        const std::uint32_t stride = (c.columns + 3) / 4 * 4 + c.extra, floats_of = c.extra + c.tokens * stride;
        const std::vector<float> gate = noise(floats_of, 1), up = noise(floats_of, 2), dy = noise(floats_of, 3);
        Buffer& gate_buffer = upload_new(gate);
        Buffer& up_buffer = upload_new(up);
        run(profile, GateBackward{.gate = {gate_buffer, c.extra, stride},
                                  .up = {up_buffer, c.extra, stride},
                                  .dy = {upload_new(dy), c.extra, stride},
                                  .columns = c.columns,
                                  .tokens = c.tokens,
                                  .activation = activation});
        const std::vector<float> got_gate = floats(gate_buffer, floats_of), got_up = floats(up_buffer, floats_of);
        for (std::uint32_t t = 0; t < c.tokens; ++t) {
          std::vector<double> of_gate, of_up;
          for (std::uint32_t i = 0; i < c.columns; ++i) {
            const std::size_t at = c.extra + t * stride + i;
            constexpr double kStep = 1e-5;
            const double z = gate[at];
            of_gate.push_back(double{dy[at]} * up[at] *
                              (activated(z + kStep, activation) - activated(z - kStep, activation)) / (2 * kStep));
            of_up.push_back(dy[at] * activated(z, activation));
          }
          const std::size_t first = c.extra + t * stride;
          EXPECT_LE(worst_error(std::span(got_gate).subspan(first, c.columns), of_gate, 1e-5, 1e-5), 1.0)
              << profile.name << " gate, columns " << c.columns;
          EXPECT_LE(worst_error(std::span(got_up).subspan(first, c.columns), of_up, 1e-5, 1e-5), 1.0)
              << profile.name << " up, columns " << c.columns;
        }
      }
    }
  }
}

}  // namespace
}  // namespace regroup::test
