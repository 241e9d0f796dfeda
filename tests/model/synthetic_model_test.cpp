// Synthetic models: shapes as asked for, weights of the promised size and spread, refusals.
#include "runtime/model/synthetic_model.h"

#include <cmath>

#include "runtime/core/error.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

class SyntheticModelTest : public DeviceTest {};

TEST_F(SyntheticModelTest, ReadsKnownShapesAndChangesOfThem) {
  const SyntheticShape llama = parse_synthetic("synthetic:llama-2-7b,layers=2");
  EXPECT_EQ(llama.hidden, 4096u);
  EXPECT_EQ(llama.kv_heads, 32u);
  EXPECT_EQ(llama.head_dim, 128u);
  EXPECT_EQ(llama.layers, 2u);
  EXPECT_EQ(parse_synthetic("synthetic:llama-2-70b,kv=64").kv_heads, 64u);
  const SyntheticShape own = parse_synthetic("synthetic:hidden=256,heads=4,ff=512,layers=3,vocab=100,type=q8_0");
  EXPECT_EQ(own.kv_heads, 4u);  // follows heads
  EXPECT_EQ(own.head_dim, 64u);
  EXPECT_EQ(own.format, WeightFormat::kQ8_0);
}

TEST_F(SyntheticModelTest, RefusesWhatIsNoShape) {
  for (const char* bad : {"synthetic:", "synthetic:nobody", "synthetic:hidden=0", "synthetic:hidden=x",
                          "synthetic:heads=8,kv=3", "synthetic:colour=1", "synthetic:type=q6_k", "synthetic:type=zip",
                          "synthetic:hidden=100,heads=2,head_dim=64,type=q4_0", "synthetic:layers=1,llama-2-7b"}) {
    try {
      parse_synthetic(bad);
      ADD_FAILURE() << bad << " was not refused";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kUsage) << bad;
    }
  }
}

TEST_F(SyntheticModelTest, FillsEveryPanelWithWeightsOfTheRightSpread) {
  for (const char* name : {"cpu-plain", "gpu-shared"}) {
    const KernelProfile profile = kernel_profile_named(device(), name);
    for (const char* type : {"f32", "q4_0"}) {
      // 2 heads of 32 over 1 group: the stack of Q, K and V is whole panels of 32 rows.
      const SyntheticShape shape = parse_synthetic(
          fmt::format("synthetic:hidden=96,heads=2,kv=1,head_dim=32,ff=160,layers=1,vocab=131,type={}", type));
      const auto model = make_synthetic_model(device(), profile, shape);
      EXPECT_EQ(model->parameter_count(), 131u * 96 + 128 * 96 + 96 * 64 + 320 * 96 + 96 * 160);
      EXPECT_GE(model->weights_bytes(), synthetic_weight_bytes(shape, profile));
      EXPECT_LE(model->weights_bytes(), synthetic_weight_bytes(shape, profile) + 3 * 96 * 4);
      EXPECT_EQ(model->layer(0).key.rows, 32u);
      const WeightMatrix& matrix = model->layer(0).gate_up->matrix;
      const auto bytes = download_values<std::byte>(device(), matrix.slices[0].panels, matrix.bytes());
      double squares = 0;
      for (std::uint32_t row = 0; row < 320; ++row) {
        double of_row = 0;
        for (std::uint32_t k = 0; k < 96; ++k) of_row += std::pow(packed_weight(matrix.layout(), bytes, row, k), 2);
        EXPECT_GT(of_row, 0.5) << row;  // no row was left out
        squares += of_row;
      }
      EXPECT_NEAR(squares / 320, 1.0, 0.1) << name << " " << type;  // variance 1 / columns
    }
  }
}

}  // namespace
}  // namespace regroup::test
