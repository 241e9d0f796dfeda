// Every format's GLSL decoder, through shaders/formats/decode.comp: bit-equal to decode_row on the host, for any panel
// height.
#include <gtest/gtest.h>

#include <bit>

#include "shaders/formats/decode.h"
#include "tests/formats/samples.h"
#include "tests/support/device_fixture.h"

namespace regroup::test {
namespace {

class FormatDeviceTest : public DeviceTest, public ::testing::WithParamInterface<WeightFormat> {
 protected:
  // [rows][32 * blocks] floats.
  std::vector<float> decode_on_device(const PanelLayout& layout, const RowSource& matrix, bool from_parts) {
    std::vector<std::byte> panels(layout.bytes());
    pack_panels(layout, matrix, 0, layout.panels(), panels);
    Arena arena(device(), MemoryUse::kDevice, "test");
    Buffer& w = arena.buffer(panels.size(), "w");
    upload(device(), w, panels);
    const std::size_t count = std::size_t{layout.rows} * layout.blocks() * 32;
    Buffer& y = arena.buffer(count * sizeof(float), "y");
    const Kernel& kernel = device().kernel("decode_" + std::string(format_info(layout.format).name),
                                           as_words(shader::DecodeConstants{.from_parts = from_parts ? 1u : 0u}));
    CommandList list(device());
    list.dispatch(kernel, {{0, w}, {1, y}},
                  as_words(shader::DecodePush{layout.rows, layout.blocks(), layout.panel_rows}),
                  {.x = (layout.rows * layout.blocks() + 63) / 64});
    list.run();
    return download_values<float>(device(), y, count);
  }
};
INSTANTIATE_TEST_SUITE_P(Formats, FormatDeviceTest, ::testing::ValuesIn(every_format()), format_name);

TEST_P(FormatDeviceTest, DecodesBitEqualToTheHost) {
  const std::uint32_t unit = format_info(GetParam()).block_elements;
  for (const std::uint32_t columns : {unit, unit == 1 ? 250u : 2 * unit, unit == 256 ? 768u : 288u}) {
    const RandomMatrix matrix(GetParam(), 33, columns, columns);
    for (const std::uint32_t panel_rows : {1u, 4u, 32u}) {
      const PanelLayout layout{GetParam(), 33, columns, panel_rows};
      const std::vector<float> values = decode_on_device(layout, matrix, false);
      for (std::uint32_t r = 0; r < layout.rows; ++r) {
        std::vector<float> expected = matrix.decoded(r);
        expected.resize(32 * layout.blocks());
        for (std::uint32_t c = 0; c < expected.size(); ++c) {
          const float value = values[r * expected.size() + c];
          ASSERT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(expected[c]))
              << columns << " columns, P" << panel_rows << ", row " << r << ", column " << c << ": " << value << " for "
              << expected[c];
        }
      }
    }
  }
}

TEST_P(FormatDeviceTest, PartsMakeTheSameValue) {
  const std::uint32_t columns = 256;
  const RandomMatrix matrix(GetParam(), 16, columns, 5);
  const PanelLayout layout{GetParam(), 16, columns, 8};
  const std::vector<float> values = decode_on_device(layout, matrix, true);
  for (std::uint32_t r = 0; r < layout.rows; ++r) {
    const std::vector<float> expected = matrix.decoded(r);
    // Equal as numbers: a zero may have another sign.
    for (std::uint32_t c = 0; c < columns; ++c)
      ASSERT_EQ(values[r * columns + c], expected[c]) << "row " << r << ", column " << c;
  }
}

}  // namespace
}  // namespace regroup::test
