// q8_0: blocks of 32 columns: half d, 32 signed bytes q; weight = q * d. Device chunks: see shaders/formats/q8_0.glsl.
#include <bit>
#include <cmath>

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/quantise.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 34;

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes, out += 32) {
    const float d = half_to_float(load<std::uint16_t>(blocks));
    for (std::size_t i = 0; i < 32; ++i) out[i] = static_cast<float>(static_cast<std::int8_t>(blocks[2 + i])) * d;
  }
}

void encode(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t block = 0; block < count; ++block, values += 32, out += kBlockBytes) {
    const float d = std::fabs(largest_magnitude(values)) / 127.0f;
    const float inverse = inverse_or_zero(d);
    store(out, float_to_half(d));
    for (std::size_t i = 0; i < 32; ++i) out[2 + i] = static_cast<std::byte>(to_signed_level(values[i] * inverse));
  }
}

void pack(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out) {
  std::array<std::uint16_t, 8> scales{};
  for (std::uint32_t b = 0; b < columns / 32; ++b, blocks += kBlockBytes) {
    scales[b] = load<std::uint16_t>(blocks);
    out.put_bytes(1 + 2 * b, blocks + 2);
    out.put_bytes(2 + 2 * b, blocks + 18);
  }
  out.put(0, std::bit_cast<Chunk>(scales));
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t word = in.word(1 + 2 * block + column / 16, column % 16 / 4);
  const auto q = static_cast<std::int8_t>(word >> (8 * (column % 4)));
  return half_to_float(half_of(in, 0, block)) * static_cast<float>(q);
}

}  // namespace

const FormatCodec kQ8_0Codec = {decode, encode, pack, unpack};

}  // namespace regroup
