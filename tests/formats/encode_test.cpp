// encode_row against what the gguf package encodes from the same values, byte by byte, and the error that encoding
// costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/formats/samples.h"

namespace regroup::test {
namespace {

std::vector<WeightFormat> encodable_formats() {
  std::vector<WeightFormat> formats = every_format();
  std::erase_if(formats, [](WeightFormat format) { return !has_encoder(format); });
  return formats;
}

class Encode : public ::testing::TestWithParam<WeightFormat> {};
INSTANTIATE_TEST_SUITE_P(Formats, Encode, ::testing::ValuesIn(encodable_formats()), format_name);

std::vector<std::byte> encoded(WeightFormat format, std::span<const float> values) {
  std::vector<std::byte> row(row_bytes(format, values.size()));
  encode_row(format, values, row);
  return row;
}

TEST_P(Encode, EqualsTheRecordedBytes) {
  const auto values = read_fixture<float>("input.values");
  const auto expected = read_fixture<std::byte>(std::string(format_info(GetParam()).name) + ".encoded");
  const std::vector<std::byte> row = encoded(GetParam(), values);
  ASSERT_EQ(row.size(), expected.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    ASSERT_EQ(row[i], expected[i]) << "byte " << i % format_info(GetParam()).block_bytes << " of block "
                                   << i / format_info(GetParam()).block_bytes;
  }
}

// The largest error in units of what one block's values span: half a step, plus the rounding of scale and minimum to
// halves.
float error_bound(WeightFormat format, float largest, float span) {
  const float half_rounding = 1.0f / 2048.0f;
  const float tiny = 0x1p-25f;
  switch (format) {
    case WeightFormat::kF32:
      return 0.0f;
    case WeightFormat::kF16:
      return largest * half_rounding + tiny;
    case WeightFormat::kBF16:
      return largest / 256.0f;
    case WeightFormat::kQ8_0:
      return largest * (0.5f / 127.0f + half_rounding) + 127 * tiny;
    case WeightFormat::kQ4_0:
      return largest * (1.0f / 8.0f + half_rounding) + 8 * tiny;  // +largest is cut from level 16 to 15
    case WeightFormat::kQ5_0:
      return largest * (1.0f / 16.0f + half_rounding) + 16 * tiny;
    case WeightFormat::kQ4_1:
      return span * (0.5f / 15.0f + half_rounding) + largest * half_rounding + 16 * tiny;
    case WeightFormat::kQ5_1:
      return span * (0.5f / 31.0f + half_rounding) + largest * half_rounding + 32 * tiny;
    default:
      return -1.0f;
  }
}

TEST_P(Encode, DecodesToNearlyTheSame) {
  std::mt19937 random(7);
  for (const float scale : {1e-3f, 0.02f, 1.0f, 300.0f}) {
    std::normal_distribution<float> normal(0.0f, scale);
    for (int repeat = 0; repeat < 50; ++repeat) {
      std::vector<float> values(32);
      for (float& value : values) value = normal(random);
      if (repeat % 5 == 0) values[random() % 32] *= 20.0f;
      std::vector<float> decoded(32);
      decode_row(GetParam(), encoded(GetParam(), values), decoded);
      const auto [low, high] = std::minmax_element(values.begin(), values.end());
      const float largest = std::max(std::fabs(*low), std::fabs(*high));
      for (std::size_t i = 0; i < 32; ++i) {
        ASSERT_LE(std::fabs(decoded[i] - values[i]), error_bound(GetParam(), largest, *high - *low) * 1.001f)
            << values[i] << " among +-" << largest;
      }
    }
  }
}

TEST_P(Encode, SurvivesWhatIsNotANumber) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> values(32, 0.5f);
  for (const float odd : {infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), 1e38f, 1e-45f}) {
    values[3] = odd;
    EXPECT_EQ(encoded(GetParam(), values).size(), row_bytes(GetParam(), 32));
  }
  std::fill(values.begin(), values.end(), 1e-42f);
  std::vector<float> decoded(32);
  decode_row(GetParam(), encoded(GetParam(), values), decoded);
  for (const float value : decoded) EXPECT_NEAR(value, 0.0f, 1e-41f);
}

}  // namespace
}  // namespace regroup::test
