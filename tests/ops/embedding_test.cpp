// Embedding rows of every weight format, bit by bit: scale times the value that the host decodes, rounded once.
#include "runtime/ops/embedding.h"

#include "tests/formats/samples.h"
#include "tests/ops/profile_test.h"
#include "tests/ops/sliced_matrix.h"

namespace regroup::test {
namespace {

class EmbeddingDeviceTest : public ProfileTest {
 protected:
  static constexpr float kUntouched = 7.5f;

  void check(const KernelProfile& profile, WeightFormat format, std::uint32_t columns,
             const std::vector<std::uint32_t>& ids, float scale, std::uint32_t panels_per_slice) {
    SCOPED_TRACE(fmt::format("{} {} columns {} scale {}", profile.name, format_info(format).name, columns, scale));
    constexpr std::uint32_t kVocabulary = 131;
    const RandomMatrix rows(format, kVocabulary, columns, columns);
    const WeightMatrix table =
        sliced_matrix(device(), arena_, {format, kVocabulary, columns, profile.panel_rows}, rows, panels_per_slice);
    const auto tokens = static_cast<std::uint32_t>(ids.size());
    const std::uint32_t stride = (columns + 3) / 4 * 4 + 4;
    std::vector<float> expected(4 + tokens * stride, kUntouched);
    Buffer& y = upload_new(expected);
    run(profile,
        Embedding{
            .table = table, .tokens = upload_new(ids), .y = {y, 4, stride}, .token_count = tokens, .scale = scale});
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const std::vector<float> row = rows.decoded(ids[t]);
      for (std::uint32_t i = 0; i < stride - 4; ++i) expected[4 + t * stride + i] = i < columns ? row[i] * scale : 0.0f;
    }
    const std::vector<float> got = floats(y, expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_EQ(got[i], expected[i]) << "element " << i;
  }
};

TEST_F(EmbeddingDeviceTest, ReadsEveryFormat) {
  const KernelProfile profile = kernel_profile(device());
  for (const WeightFormat format : every_format()) {
    check(profile, format, 768, {0, 130, 5}, 1.0f, 1000);
    if (format_info(format).block_elements == 32) check(profile, format, 96, {7}, 1.0f, 1000);
  }
}

TEST_F(EmbeddingDeviceTest, EveryProfileColumnsScalesAndSlices) {
  for (const KernelProfile& profile : profiles()) {
    std::vector<std::uint32_t> ids(33);
    for (std::uint32_t t = 0; t < 33; ++t) ids[t] = (t * 37 + 64) % 131;
    check(profile, WeightFormat::kF32, 65, ids, 25.298221f, 1000);
    check(profile, WeightFormat::kBF16, 1, ids, 1.0f, profile.panel_rows == 1 ? 50 : 2);
    check(profile, WeightFormat::kQ4_1, 576, ids, 0.5f, profile.panel_rows == 1 ? 50 : 2);
  }
}

}  // namespace
}  // namespace regroup::test
