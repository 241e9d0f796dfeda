// decode_row against what the gguf package decodes from the same bytes, bit by bit.
#include <gtest/gtest.h>

#include <bit>

#include "tests/formats/samples.h"

namespace regroup::test {
namespace {

class Decode : public ::testing::TestWithParam<WeightFormat> {};
INSTANTIATE_TEST_SUITE_P(Formats, Decode, ::testing::ValuesIn(every_format()), format_name);

TEST_P(Decode, EqualsTheRecordedValues) {
  const std::string name(format_info(GetParam()).name);
  const auto blocks = read_fixture<std::byte>(name + ".blocks");
  const auto expected = read_fixture<float>(name + ".values");
  std::vector<float> values(expected.size());
  decode_row(GetParam(), blocks, values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(std::bit_cast<std::uint32_t>(values[i]), std::bit_cast<std::uint32_t>(expected[i]))
        << "element " << i << ": " << values[i] << " " << expected[i];
  }
}

TEST_P(Decode, BlocksDoNotDependOnEachOther) {
  const std::uint32_t elements = format_info(GetParam()).block_elements;
  const RandomMatrix matrix(GetParam(), 1, 4 * elements);
  const std::vector<float> whole = matrix.decoded(0);
  for (std::uint32_t block = 0; block < 4; ++block) {
    std::vector<float> part(elements);
    const std::size_t bytes = format_info(GetParam()).block_bytes;
    decode_row(GetParam(), matrix.row(0).subspan(block * bytes, bytes), part);
    EXPECT_EQ(std::memcmp(part.data(), whole.data() + block * elements, elements * sizeof(float)), 0);
  }
}

}  // namespace
}  // namespace regroup::test
