// q4_0: blocks of 32 columns: half d, 32 nibbles (byte t: column t low, column t + 16 high);
// weight = (q - 8) * d. Device chunks: see shaders/formats/q4_0.glsl.
#include <bit>

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/quantise.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 18;
constexpr std::size_t kNibbles = 2;  // where they start in a block

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes, out += 32) {
    const float d = half_to_float(load<std::uint16_t>(blocks));
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t low = (std::to_integer<std::uint32_t>(blocks[kNibbles + i]) & 15u);
      const std::uint32_t high = (std::to_integer<std::uint32_t>(blocks[kNibbles + i]) >> 4);
      out[i] = (static_cast<float>(low) - 8.0f) * d;
      out[i + 16] = (static_cast<float>(high) - 8.0f) * d;
    }
  }
}

void encode(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t block = 0; block < count; ++block, values += 32, out += kBlockBytes) {
    const float d = largest_magnitude(values) / -8.0f;
    const float inverse = inverse_or_zero(d);
    store(out, float_to_half(d));
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t low = to_level(values[i] * inverse + 8.5f, 15.0f);
      const std::uint32_t high = to_level(values[i + 16] * inverse + 8.5f, 15.0f);
      out[kNibbles + i] = static_cast<std::byte>(low | (high << 4));
    }
  }
}

void pack(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out) {
  std::array<std::uint16_t, 8> scales{};
  for (std::uint32_t b = 0; b < columns / 32; ++b, blocks += kBlockBytes) {
    scales[b] = load<std::uint16_t>(blocks);
    out.put_bytes(1 + b, blocks + kNibbles);
  }
  out.put(0, std::bit_cast<Chunk>(scales));
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t q = nibble_of(in, 1 + block, column);
  return half_to_float(half_of(in, 0, block)) * (static_cast<float>(q) - 8.0f);
}

}  // namespace

const FormatCodec kQ4_0Codec = {decode, encode, pack, unpack};

}  // namespace regroup
