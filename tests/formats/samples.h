// Weight rows for tests: recorded files, and random rows in any format whose scales reach from subnormal to the largest
// halves.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "runtime/formats/panel_layout.h"
#include "runtime/formats/weight_format.h"
#include "runtime/selftest/sample_rows.h"

namespace regroup::test {

// tests/data/formats/<name>, written by tests/tools/make_format_fixtures.py.
template <typename T>
std::vector<T> read_fixture(const std::string& name) {
  const std::string path = std::string(REGROUP_SOURCE_DIR) + "/tests/data/formats/" + name;
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_FALSE(bytes.empty()) << path;
  std::vector<T> values(bytes.size() / sizeof(T));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(T));
  return values;
}

using selftest::half_offsets;

// Random file bytes of a row. Halves are finite; one in four of them is subnormal. Floats and bfloat16
// are finite and normal.
inline std::vector<std::byte> random_row(WeightFormat format, std::uint32_t columns, std::mt19937& random) {
  std::vector<std::byte> row(row_bytes(format, columns));
  for (std::byte& byte : row) byte = static_cast<std::byte>(random());
  if (format == WeightFormat::kF32 || format == WeightFormat::kBF16) {
    const std::size_t size = format_info(format).block_bytes;
    for (std::size_t end = size; end <= row.size(); end += size) {
      // Exponents from 2^-63 to 2^64, so that nothing is subnormal, infinite or NaN.
      const auto top = std::to_integer<unsigned>(row[end - 1]);
      row[end - 1] = static_cast<std::byte>((top & 0x80u) | (0x20u + (top & 0x3fu)));
    }
  }
  for (std::size_t block = 0; block < row.size(); block += format_info(format).block_bytes) {
    for (const std::size_t offset : half_offsets(format)) {
      std::uint32_t bits = random() & 0xffffu;
      if ((bits & 0x7c00u) == 0x7c00u) bits &= 0xbfffu;
      if (random() % 4 == 0) bits &= 0x83ffu;
      const auto half = static_cast<std::uint16_t>(bits);
      std::memcpy(row.data() + block + offset, &half, sizeof half);
    }
  }
  return row;
}

// A matrix of random rows that pack_panels can read.
class RandomMatrix : public RowSource {
 public:
  RandomMatrix(WeightFormat format, std::uint32_t rows, std::uint32_t columns, std::uint32_t seed = 1)
      : format_(format), columns_(columns) {
    std::mt19937 random(seed);
    for (std::uint32_t r = 0; r < rows; ++r) rows_.push_back(random_row(format, columns, random));
  }
  std::span<const std::byte> row(std::uint32_t index) const override { return rows_.at(index); }
  std::vector<float> decoded(std::uint32_t index) const {
    std::vector<float> values(columns_);
    decode_row(format_, rows_.at(index), values);
    return values;
  }

 private:
  WeightFormat format_;
  std::uint32_t columns_;
  std::vector<std::vector<std::byte>> rows_;
};

inline std::string format_name(const ::testing::TestParamInfo<WeightFormat>& info) {
  return std::string(format_info(info.param).name);
}

inline std::vector<WeightFormat> every_format() {
  std::vector<WeightFormat> formats;
  for (const WeightFormatInfo& info : all_weight_formats()) formats.push_back(info.format);
  return formats;
}

}  // namespace regroup::test
