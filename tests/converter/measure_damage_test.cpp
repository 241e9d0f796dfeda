// What merging one layer alone does to predictions: nothing without a merge, something with one, and no number is taken
// for a good one that is none.
#include "converter/measure_damage.h"

#include "runtime/core/error.h"
#include "tests/converter/conversion_support.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

class MeasureDamageDeviceTest : public DeviceTest {
 protected:
  std::vector<std::vector<BudgetOption>> measure(const TinyModel& tiny) {
    const TemporaryFolder folder;
    const ModelFile file = ModelFile::open(folder.write("model.gguf", tiny.build()));
    const ModelOutline outline = read_outline(file);
    CalibrationText text{.sequences = 4, .sequence_length = 16, .held_out = 1};
    for (std::uint32_t i = 0; i < 64; ++i) text.tokens.push_back((i * i * 7 + i * 3) % outline.config.vocabulary);
    const KernelProfile profile = kernel_profile(device());
    return measure_damage({.file = file, .outline = outline, .text = text, .device = device(), .profile = profile});
  }
};

TEST_F(MeasureDamageDeviceTest, MergingDoesDamage) {
  const auto layers = measure({});
  ASSERT_EQ(layers.size(), 2u);
  for (const auto& options : layers) {
    ASSERT_EQ(options.size(), 2u);
    EXPECT_EQ(options[0].groups, 2u);
    EXPECT_EQ(options[0].damage, 0.0);
    EXPECT_EQ(options[1].groups, 1u);
    EXPECT_GT(options[1].damage, 0.0);
  }
}

TEST_F(MeasureDamageDeviceTest, PredictionsThatAreNoNumbersAreNoSmallDamage) {
  for (const char* tensor : {"blk.1.ffn_down.weight", "output_norm.weight", "blk.1.attn_v.weight"}) {
    SCOPED_TRACE(tensor);
    try {
      measure(with_nan({}, tensor));
      ADD_FAILURE() << "nothing was refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kNotANumber) << error.what();
    }
  }
}

}  // namespace
}  // namespace regroup::test
