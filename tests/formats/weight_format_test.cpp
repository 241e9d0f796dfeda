// The table of formats, and that the shaders declare the same chunks as the table.
#include "runtime/formats/weight_format.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "tests/formats/samples.h"

namespace regroup::test {
namespace {

TEST(WeightFormat, IsFoundByNameAndGgufType) {
  for (const WeightFormatInfo& info : all_weight_formats()) {
    EXPECT_EQ(weight_format_from_name(info.name), info.format);
    EXPECT_EQ(weight_format_from_gguf(info.gguf_type), info.format);
    EXPECT_EQ(&format_info(info.format), &info);
  }
  EXPECT_EQ(weight_format_from_name("q9_9"), std::nullopt);
  EXPECT_EQ(weight_format_from_name(""), std::nullopt);
  EXPECT_EQ(weight_format_from_gguf(4), std::nullopt);  // Q4_2, removed from ggml
  EXPECT_EQ(weight_format_from_gguf(0xffffffffu), std::nullopt);
}

TEST(WeightFormat, RowsHoldWholeBlocks) {
  EXPECT_EQ(row_bytes(WeightFormat::kF32, 3), 12u);
  EXPECT_EQ(row_bytes(WeightFormat::kQ4_1, 576), 360u);
  EXPECT_EQ(row_bytes(WeightFormat::kQ6_K, 512), 420u);
  EXPECT_THROW(row_bytes(WeightFormat::kQ4_0, 48), std::logic_error);
  EXPECT_THROW(row_bytes(WeightFormat::kQ4_K, 288), std::logic_error);
}

TEST(WeightFormat, WrongSizesAreRefused) {
  std::vector<float> values(32);
  std::vector<std::byte> row(18);
  EXPECT_NO_THROW(decode_row(WeightFormat::kQ4_0, row, values));
  EXPECT_THROW(decode_row(WeightFormat::kQ4_0, std::span(row).first(17), values), std::logic_error);
  EXPECT_THROW(encode_row(WeightFormat::kQ4_0, values, std::span(row).first(17)), std::logic_error);
  EXPECT_FALSE(has_encoder(WeightFormat::kQ4_K));
  values.resize(256);
  row.resize(144);
  EXPECT_THROW(encode_row(WeightFormat::kQ4_K, values, row), std::logic_error);
}

TEST(WeightFormat, ShadersDeclareTheChunksOfTheTable) {
  for (const WeightFormatInfo& info : all_weight_formats()) {
    std::ifstream file(std::string(REGROUP_SOURCE_DIR) + "/shaders/formats/" + std::string(info.name) + ".glsl");
    std::stringstream text;
    text << file.rdbuf();
    const auto defines = [&](const std::string& name, std::uint32_t value) {
      return text.str().find("#define " + name + " " + std::to_string(value) + "\n") != std::string::npos;
    };
    EXPECT_TRUE(defines("WEIGHT_HEADER_CHUNKS", info.header_chunks)) << info.name;
    EXPECT_TRUE(defines("WEIGHT_BODY_CHUNKS", info.body_chunks)) << info.name;
  }
}

}  // namespace
}  // namespace regroup::test
