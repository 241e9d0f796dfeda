// Steps of Adam against double precision, every profile.
#include "runtime/ops/adam.h"

#include "tests/ops/profile_test.h"

namespace regroup::test {
namespace {

class AdamTest : public ProfileTest {};

TEST_F(AdamTest, ThreeStepsMatchTheReference) {
  for (const KernelProfile& profile : profiles()) {
    for (const std::uint32_t count : {4u, 100u, 5000u}) {
      const std::vector<float> start = noise(count, 1, 0.1f);
      std::vector<double> w(start.begin(), start.end()), m(count, 0.0), v(count, 0.0);
      Buffer& weights = upload_new(start);
      Buffer& first = upload_new(std::vector<float>(count, 0.0f));
      Buffer& second = upload_new(std::vector<float>(count, 0.0f));
      for (std::uint32_t step = 1; step <= 3; ++step) {
        std::vector<float> g = noise(count, 10 + step, 0.01f);
        g[1] = 0;  // a weight without a gradient stays
        run(profile, Adam{.weights = weights,
                          .gradient = upload_new(g),
                          .first = first,
                          .second = second,
                          .count = count,
                          .step = step,
                          .learning_rate = 1e-2f});
        for (std::uint32_t i = 0; i < count; ++i) {
          m[i] = 0.9 * m[i] + 0.1 * g[i];
          v[i] = 0.99 * v[i] + 0.01 * double{g[i]} * g[i];
          w[i] -= 1e-2 * (m[i] / (1 - std::pow(0.9, step))) / (std::sqrt(v[i] / (1 - std::pow(0.99, step))) + 1e-8);
        }
      }
      EXPECT_LE(worst_error(floats(weights, count), w, 1e-6, 1e-5), 1.0) << profile.name << " count " << count;
      EXPECT_EQ(floats(weights, count)[1], start[1]);
    }
  }
}

}  // namespace
}  // namespace regroup::test
