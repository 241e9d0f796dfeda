// Every small checkpoint of tests/data/checkpoints against the logits that transformers gave for it.
#include <algorithm>
#include <cmath>
#include <fstream>

#include "runtime/core/error.h"
#include "runtime/core/json.h"
#include "tests/decode/loaded_model.h"
#include "tests/support/npy.h"

namespace regroup::test {
namespace {

struct Case {
  std::string name;
  std::filesystem::path path, tokens, logits;
  bool exact;  // f32 weights: 2e-3 absolute; otherwise 2 % of the largest logit
};

std::vector<Case> cases() {
  const auto folder = source_path("tests/data/checkpoints");
  std::ifstream in(folder / "cases.json");
  std::vector<Case> list;
  for (const auto& entry : nlohmann::json::parse(in)) {
    list.push_back({entry["name"], folder / entry["path"].get<std::string>(),
                    folder / entry["tokens"].get<std::string>(), folder / entry["logits"].get<std::string>(),
                    entry["tolerance"] == "f32"});
  }
  return list;
}

std::vector<std::uint32_t> read_tokens(const std::filesystem::path& path) {
  std::ifstream in(path);
  return nlohmann::json::parse(in).get<std::vector<std::uint32_t>>();
}

class CheckpointLogitsTest : public DeviceTest {
 protected:
  void compare(Device& device, const KernelProfile& profile, const Case& c) {
    SCOPED_TRACE(c.name + " with kernels " + std::string(profile.name));
    const NpyArray expected = read_npy(c.logits);
    const auto tokens = read_tokens(c.tokens);
    const LoadedModel loaded = load_model(device, profile, c.path);
    Session session(*loaded.model, *loaded.grouping, {.context = 64, .cache_type = CacheType::kF32});
    const std::vector<float> actual = logits_of(session, tokens);
    ASSERT_EQ(actual.size(), expected.values.size());
    float largest = 0, worst = 0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      largest = std::max(largest, std::abs(expected.values[i]));
      const float error = std::abs(actual[i] - expected.values[i]);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
    EXPECT_LE(worst, c.exact ? 2e-3f : 0.02f * largest) << "largest logit " << largest;
  }
};

TEST_F(CheckpointLogitsTest, EveryCaseWithTheDevicesOwnKernels) {
  for (const Case& c : cases()) compare(device(), kernel_profile(device()), c);
}

// A few cases that differ in kind run through every other family of kernels.
TEST_F(CheckpointLogitsTest, OtherKernelFamilies) {
  const std::string_view chosen[] = {"llama-gqa-6-2-odd-sizes", "llama-biased", "gemma3-pattern-6", "gguf-llama-k-mix"};
  for (const std::string& name : runnable_profiles(device())) {
    if (name == kernel_profile(device()).name) continue;
    for (const Case& c : cases()) {
      if (std::find(std::begin(chosen), std::end(chosen), c.name) == std::end(chosen)) continue;
      compare(device(), kernel_profile_named(device(), name), c);
    }
  }
}

TEST_F(CheckpointLogitsTest, MinimumFeatures) {
  Device& floor = shared_device("minimum");
  for (const Case& c : cases()) {
    if (c.name == "llama-gqa-9-3" || c.name == "gguf-gemma3-mix") compare(floor, kernel_profile(floor), c);
  }
}

}  // namespace
}  // namespace regroup::test
