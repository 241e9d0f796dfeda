// Fixed inputs of the self-test and of the tests of operations: noise with outliers, and weight rows in every format.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/formats/panel_layout.h"
#include "runtime/formats/weight_format.h"

namespace regroup::selftest {

// The same numbers everywhere (the standard library's distributions differ): spread `scale`, and one value in about
// fifty ten times as large, as activations have it.
std::vector<float> noise(std::size_t count, std::uint32_t seed, float scale = 1.0f);

// Byte offsets of the halves in a block; every other byte of a block may have any value.
std::vector<std::size_t> half_offsets(WeightFormat format);

// A matrix of weights of size about 0.1 that pack_panels can read.
class SampleMatrix : public RowSource {
 public:
  SampleMatrix(WeightFormat format, std::uint32_t rows, std::uint32_t columns, std::uint32_t seed = 1);

  std::span<const std::byte> row(std::uint32_t index) const override { return rows_.at(index); }
  // What rows first .. first + count - 1 decode to.
  std::span<const float> values(std::uint32_t first, std::uint32_t count) const;

 private:
  std::uint32_t columns_;
  std::vector<std::vector<std::byte>> rows_;
  std::vector<float> decoded_;
};

}  // namespace regroup::selftest
