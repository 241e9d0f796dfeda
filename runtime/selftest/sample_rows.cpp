#include "runtime/selftest/sample_rows.h"

#include <cstring>

#include "runtime/core/half.h"

namespace regroup::selftest {
namespace {

// splitmix64: good enough bits from any seed.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15ull + 1) {}
  std::uint32_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return static_cast<std::uint32_t>((z ^ (z >> 31)) >> 32);
  }
  // About normal, of spread 1: the sum of four uniform numbers.
  float normal() {
    float sum = 0;
    for (int i = 0; i < 4; ++i) sum += static_cast<float>(next() >> 8) / 16777216.0f - 0.5f;
    return sum * 1.7320508f;
  }

 private:
  std::uint64_t state_;
};

float noisy(Random& random, float scale) {
  const float value = random.normal() * scale;
  return random.next() % 50 == 0 ? value * 10 : value;
}

}  // namespace

std::vector<float> noise(std::size_t count, std::uint32_t seed, float scale) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = noisy(random, scale);
  return values;
}

std::vector<std::size_t> half_offsets(WeightFormat format) {
  switch (format) {
    case WeightFormat::kF16:
    case WeightFormat::kQ8_0:
    case WeightFormat::kQ4_0:
    case WeightFormat::kQ5_0:
      return {0};
    case WeightFormat::kQ4_1:
    case WeightFormat::kQ5_1:
    case WeightFormat::kQ4_K:
    case WeightFormat::kQ5_K:
      return {0, 2};
    case WeightFormat::kQ2_K:
      return {80, 82};
    case WeightFormat::kQ3_K:
      return {108};
    case WeightFormat::kQ6_K:
      return {208};
    case WeightFormat::kF32:
    case WeightFormat::kBF16:
      return {};
  }
  return {};
}

SampleMatrix::SampleMatrix(WeightFormat format, std::uint32_t rows, std::uint32_t columns, std::uint32_t seed)
    : columns_(columns), decoded_(std::size_t{rows} * columns) {
  Random random(seed + rows * 131 + columns);
  for (std::uint32_t r = 0; r < rows; ++r) {
    std::vector<std::byte> bytes(row_bytes(format, columns));
    if (has_encoder(format)) {
      std::vector<float> values(columns);
      for (float& value : values) value = noisy(random, 0.1f);
      encode_row(format, values, bytes);
    } else {
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
      for (std::size_t block = 0; block < bytes.size(); block += format_info(format).block_bytes) {
        for (const std::size_t offset : half_offsets(format)) {
          const std::uint16_t half = float_to_half(0.001f + 1e-6f * static_cast<float>(random.next() % 1000));
          std::memcpy(bytes.data() + block + offset, &half, sizeof half);
        }
      }
    }
    decode_row(format, bytes, std::span(decoded_).subspan(std::size_t{r} * columns, columns));
    rows_.push_back(std::move(bytes));
  }
}

std::span<const float> SampleMatrix::values(std::uint32_t first, std::uint32_t count) const {
  return std::span(decoded_).subspan(std::size_t{first} * columns_, std::size_t{count} * columns_);
}

}  // namespace regroup::selftest
