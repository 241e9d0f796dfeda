// Checkpoints converted from one kind of file to the other, groups as they are, against the logits that transformers
// gave for the originals: every name, row order, norm, bias and rotary setting must have survived.
#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/core/error.h"
#include "runtime/decode/session.h"
#include "runtime/model/grouping.h"
#include "tests/converter/conversion_support.h"
#include "tests/support/device_fixture.h"
#include "tests/support/npy.h"

namespace regroup::test {
namespace {

class ConvertedLogitsDeviceTest : public DeviceTest {
 protected:
  std::vector<float> logits(const fs::path& model_path, const std::vector<std::uint32_t>& tokens) {
    const ModelFile file = ModelFile::open(model_path);
    const auto model = Model::load(device(), kernel_profile(device()), file);
    const Grouping grouping(*model, GroupPlan::identity(model->config()));
    Session session(*model, grouping, {.context = 64, .cache_type = CacheType::kF32});
    std::vector<float> all;
    session.all_logits(
        tokens, [&](std::size_t, std::span<const float> rows) { all.insert(all.end(), rows.begin(), rows.end()); });
    return all;
  }
};

TEST_F(ConvertedLogitsDeviceTest, BothWaysBetweenGgufAndHuggingFace) {
  // What the other kind of file cannot say.
  const std::set<std::string> refused = {"mistral-window", "llama-yarn-mscale", "qwen2-window", "qwen2-layer-types"};
  const TemporaryFolder folder;
  std::ifstream in(checkpoint("cases.json"));
  for (const auto& entry : nlohmann::json::parse(in)) {
    const std::string name = entry["name"];
    SCOPED_TRACE(name);
    const bool gguf = entry["kind"] == "gguf";
    const fs::path out = folder.path() / (gguf ? name : name + ".gguf");
    if (refused.contains(name)) {
      EXPECT_THROW(convert(checkpoint(entry["path"]), out, {}), Error);
      continue;
    }
    ASSERT_NO_THROW(convert(checkpoint(entry["path"]), out, {}));
    const NpyArray expected = read_npy(checkpoint(entry["logits"]));
    std::ifstream tokens(checkpoint(entry["tokens"]));
    const auto actual = logits(out, nlohmann::json::parse(tokens).get<std::vector<std::uint32_t>>());
    ASSERT_EQ(actual.size(), expected.values.size());
    float largest = 0, worst = 0;
    for (std::size_t i = 0; i < actual.size(); ++i) {
      largest = std::max(largest, std::abs(expected.values[i]));
      const float error = std::abs(actual[i] - expected.values[i]);
      worst = std::isnan(error) ? INFINITY : std::max(worst, error);
    }
    EXPECT_LE(worst, entry["tolerance"] == "f32" ? 2e-3f : 0.02f * largest) << "largest logit " << largest;
  }
}

}  // namespace
}  // namespace regroup::test
