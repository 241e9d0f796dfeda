// q5_0: blocks of 32 columns: half d, 32 fifth bits, 32 nibbles (byte t: column t low, column t + 16 high);
// weight = (q - 16) * d. Device chunks: see shaders/formats/q5_0.glsl.
#include <bit>

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/quantise.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 22;
constexpr std::size_t kNibbles = 6;  // where they start in a block
constexpr std::size_t kFifthBits = 2;

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes, out += 32) {
    const float d = half_to_float(load<std::uint16_t>(blocks));
    const auto fifth = load<std::uint32_t>(blocks + kFifthBits);
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t low =
          (std::to_integer<std::uint32_t>(blocks[kNibbles + i]) & 15u) | (((fifth >> i) & 1u) << 4);
      const std::uint32_t high =
          (std::to_integer<std::uint32_t>(blocks[kNibbles + i]) >> 4) | (((fifth >> (i + 16)) & 1u) << 4);
      out[i] = (static_cast<float>(low) - 16.0f) * d;
      out[i + 16] = (static_cast<float>(high) - 16.0f) * d;
    }
  }
}

void encode(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t block = 0; block < count; ++block, values += 32, out += kBlockBytes) {
    const float d = largest_magnitude(values) / -16.0f;
    const float inverse = inverse_or_zero(d);
    store(out, float_to_half(d));
    std::uint32_t fifth = 0;
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t low = to_level(values[i] * inverse + 16.5f, 31.0f);
      const std::uint32_t high = to_level(values[i + 16] * inverse + 16.5f, 31.0f);
      out[kNibbles + i] = static_cast<std::byte>((low & 15u) | ((high & 15u) << 4));
      fifth |= (low >> 4 << i) | (high >> 4 << (i + 16));
    }
    store(out + kFifthBits, fifth);
  }
}

void pack(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out) {
  std::array<std::uint16_t, 8> scales{};
  std::array<std::uint32_t, 8> fifth{};
  for (std::uint32_t b = 0; b < columns / 32; ++b, blocks += kBlockBytes) {
    scales[b] = load<std::uint16_t>(blocks);
    fifth[b] = spread_bits(load<std::uint32_t>(blocks + kFifthBits));
    out.put_bytes(3 + b, blocks + kNibbles);
  }
  out.put(0, std::bit_cast<Chunk>(scales));
  out.put(1, {fifth[0], fifth[1], fifth[2], fifth[3]});
  out.put(2, {fifth[4], fifth[5], fifth[6], fifth[7]});
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t q = nibble_of(in, 3 + block, column) | (bit_of(in.word(1 + block / 4, block % 4), column) << 4);
  return half_to_float(half_of(in, 0, block)) * (static_cast<float>(q) - 16.0f);
}

}  // namespace

const FormatCodec kQ5_0Codec = {decode, encode, pack, unpack};

}  // namespace regroup
