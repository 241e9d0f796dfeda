// Panels read back weight by weight equal the decoded rows, for shapes that miss every multiple; slices equal the
// whole.
#include <gtest/gtest.h>

#include <bit>

#include "runtime/formats/panel_layout.h"
#include "tests/formats/samples.h"

namespace regroup::test {
namespace {

class Pack : public ::testing::TestWithParam<WeightFormat> {
 protected:
  // Of these the ones that are whole blocks of the format.
  std::vector<std::uint32_t> column_counts() const {
    std::vector<std::uint32_t> counts{1, 3, 32, 33, 64, 250, 256, 288, 576, 768};
    std::erase_if(counts, [](std::uint32_t count) { return count % format_info(GetParam()).block_elements != 0; });
    return counts;
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, Pack, ::testing::ValuesIn(every_format()), format_name);

TEST_P(Pack, EveryWeightIsReadBackAndPaddingIsZero) {
  for (const std::uint32_t columns : column_counts()) {
    for (const std::uint32_t rows : {1u, 3u, 33u}) {
      const RandomMatrix matrix(GetParam(), rows, columns, columns + rows);
      for (const std::uint32_t panel_rows : {1u, 4u, 16u, 32u}) {
        const PanelLayout layout{GetParam(), rows, columns, panel_rows};
        std::vector<std::byte> panels(layout.bytes(), std::byte{0xcd});
        pack_panels(layout, matrix, 0, layout.panels(), panels);
        for (std::uint32_t r = 0; r < layout.panels() * panel_rows; ++r) {
          const std::vector<float> expected = r < rows ? matrix.decoded(r) : std::vector<float>{};
          for (std::uint32_t c = 0; c < 32 * layout.blocks(); ++c) {
            const float weight = packed_weight(layout, panels, r, c);
            if (r < rows && c < columns) {
              ASSERT_EQ(std::bit_cast<std::uint32_t>(weight), std::bit_cast<std::uint32_t>(expected[c]))
                  << rows << "x" << columns << " P" << panel_rows << " row " << r << " column " << c << ": " << weight
                  << " " << expected[c];
            } else {
              ASSERT_EQ(weight, 0.0f) << rows << "x" << columns << " P" << panel_rows << " padding at " << r << ","
                                      << c;
            }
          }
        }
      }
    }
  }
}

TEST_P(Pack, EveryByteIsWritten) {
  const std::uint32_t columns = format_info(GetParam()).block_elements == 256 ? 512 : 288;
  const RandomMatrix matrix(GetParam(), 5, columns);
  const PanelLayout layout{GetParam(), 5, columns, 4};
  std::vector<std::byte> first(layout.bytes(), std::byte{0x00});
  std::vector<std::byte> second(layout.bytes(), std::byte{0xff});
  pack_panels(layout, matrix, 0, layout.panels(), first);
  pack_panels(layout, matrix, 0, layout.panels(), second);
  EXPECT_EQ(first, second);
}

TEST_P(Pack, PartsEqualTheWhole) {
  const std::uint32_t columns = 256;
  const RandomMatrix matrix(GetParam(), 37, columns);
  const PanelLayout layout{GetParam(), 37, columns, 8};
  std::vector<std::byte> whole(layout.bytes());
  pack_panels(layout, matrix, 0, layout.panels(), whole);
  std::uint32_t first_panel = 0;
  for (const std::uint32_t count : {1u, 3u, 1u}) {
    const PanelLayout slice = layout.slice(first_panel, count);
    EXPECT_EQ(slice.panels(), count);
    EXPECT_EQ(slice.rows, first_panel == 4 ? 5u : count * 8);
    std::vector<std::byte> part(slice.bytes());
    pack_panels(layout, matrix, first_panel, count, part);
    EXPECT_EQ(std::memcmp(part.data(), whole.data() + first_panel * layout.panel_bytes(), part.size()), 0);
    EXPECT_EQ(packed_weight(slice, part, 2, 100), packed_weight(layout, whole, 8 * first_panel + 2, 100));
    first_panel += count;
  }
  EXPECT_EQ(first_panel, layout.panels());
  EXPECT_THROW(pack_panels(layout, matrix, 4, 2, whole), std::logic_error);
  EXPECT_THROW(pack_panels(layout, matrix, 0, 5, std::span(whole).first(64)), std::logic_error);
}

TEST(PanelLayout, CountsChunks) {
  const PanelLayout layout{WeightFormat::kQ4_1, 33, 576, 32};
  EXPECT_EQ(layout.blocks(), 18u);
  EXPECT_EQ(layout.super_blocks(), 3u);
  EXPECT_EQ(layout.panels(), 2u);
  EXPECT_EQ(layout.panel_chunks(), (3u * 2 + 18) * 32);
  EXPECT_EQ(layout.bytes(), 2u * 24 * 32 * 16);
  // A matrix of more than 4 GiB.
  const PanelLayout large{WeightFormat::kF32, 300000, 8192, 32};
  EXPECT_EQ(large.bytes(), std::uint64_t{300000} * 8192 * 4);
}

}  // namespace
}  // namespace regroup::test
