// Base of the op tests: every kernel profile that the driver allows, noise with outliers, and comparison against a
// reference.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/core/error.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/linear.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {

class ProfileTest : public DeviceTest {
 protected:
  ProfileTest() : arena_(shared_device(), MemoryUse::kDevice, "test") {}

  // The profiles that this driver can run; at least those without optional features: three, two under the minimum.
  std::vector<KernelProfile> profiles() {
    std::vector<KernelProfile> found;
    for (const std::string_view name :
         {"cpu-texel16", "cpu-texel8", "cpu-ssbo4", "cpu-plain", "gpu-subgroup", "gpu-shared"}) {
      try {
        found.push_back(kernel_profile_named(device(), name));
      } catch (const Error&) {  // needs a feature that this driver lacks
      }
    }
    EXPECT_GE(found.size(), device().features().subgroup_arithmetic ? 3u : 2u);
    return found;
  }

  template <typename T>
  Buffer& upload_new(std::span<const T> values) {
    Buffer& buffer = arena_.buffer(std::max<std::size_t>(values.size_bytes(), 4), "test");
    upload_values<T>(device(), buffer, values);
    return buffer;
  }
  Buffer& upload_new(const std::vector<float>& values) { return upload_new<float>(values); }
  Buffer& upload_new(const std::vector<std::uint32_t>& values) { return upload_new<std::uint32_t>(values); }
  std::vector<float> floats(const Buffer& buffer, std::size_t count) {
    return download_values<float>(device(), buffer, count);
  }

  template <typename Op>
  void run(const KernelProfile& profile, const Op& op) {
    CommandList list(device());
    record(list, profile, op);
    list.run();
  }

  Arena arena_;
};

// Normal noise where one value in fifty is ten times as large, as activations have it.
inline std::vector<float> noise(std::size_t count, std::uint32_t seed, float scale = 1.0f) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& value : values) {
    value = normal(random);
    if (random() % 50 == 0) value *= 10;
  }
  return values;
}

// The largest |got - expected| / (absolute + relative * |expected|); at most 1 passes.
template <typename Expected>
double worst_error(std::span<const float> got, const std::vector<Expected>& expected, double absolute,
                   double relative) {
  double worst = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double want = expected[i];
    const double error = std::fabs(static_cast<double>(got[i]) - want) / (absolute + relative * std::fabs(want));
    worst = std::max(worst, std::isnan(error) ? 1e9 : error);
  }
  return worst;
}

}  // namespace regroup::test
