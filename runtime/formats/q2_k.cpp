// q2_k: super-blocks of 256 columns: 16 bytes with a 4-bit scale sc (low) and minimum m (high), 64 bytes of bit pairs,
// half d, half dmin; weight = d * sc * q - dmin * m for 16 columns each. Device chunks: see shaders/formats/q2_k.glsl.
#include <bit>

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 84;
constexpr std::size_t kPairs = 16;  // where they start in a super-block; the scales are first
constexpr std::size_t kD = 80;
constexpr std::size_t kDmin = 82;

// Column t of block b has bits 2 * (b % 4) and up of byte t.
const std::byte* pairs_of(const std::byte* super_block, std::uint32_t b) {
  return super_block + kPairs + 32 * (b / 4);
}

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes) {
    const float d = half_to_float(load<std::uint16_t>(blocks + kD));
    const float dmin = half_to_float(load<std::uint16_t>(blocks + kDmin));
    for (std::uint32_t sub_block = 0; sub_block < 16; ++sub_block, out += 16) {
      const auto numbers = std::to_integer<std::uint32_t>(blocks[sub_block]);
      const float scale = d * static_cast<float>(numbers & 15u);
      const float min = dmin * static_cast<float>(numbers >> 4);
      const std::uint32_t b = sub_block / 2;
      const std::byte* pairs = pairs_of(blocks, b) + 16 * (sub_block % 2);
      for (std::size_t i = 0; i < 16; ++i) {
        const std::uint32_t q = (std::to_integer<std::uint32_t>(pairs[i]) >> (2 * (b % 4))) & 3u;
        out[i] = scale * static_cast<float>(q) - min;
      }
    }
  }
}

void pack(const std::byte* blocks, std::uint32_t, const ChunkWriter& out) {
  // Halves that became floats have 13 free bits, enough for a scale and a minimum.
  const auto d = std::bit_cast<std::uint32_t>(half_to_float(load<std::uint16_t>(blocks + kD)));
  const auto dmin = std::bit_cast<std::uint32_t>(half_to_float(load<std::uint16_t>(blocks + kDmin)));
  for (std::uint32_t b = 0; b < 8; ++b) {
    const std::byte* pairs = pairs_of(blocks, b);
    const unsigned shift = 2 * (b % 4);
    out.put(b, {gather_pairs(pairs, shift), gather_pairs(pairs + 16, shift),
                d | std::to_integer<std::uint32_t>(blocks[2 * b]),
                dmin | std::to_integer<std::uint32_t>(blocks[2 * b + 1])});
  }
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t q = pair_of(in.word(block, column / 16), column % 16);
  const std::uint32_t numbers = in.word(block, 2 + column / 16);
  const float scale = std::bit_cast<float>(in.word(block, 2) & 0xffffe000u) * static_cast<float>(numbers & 15u);
  const float min = std::bit_cast<float>(in.word(block, 3) & 0xffffe000u) * static_cast<float>((numbers >> 4) & 15u);
  return scale * static_cast<float>(q) - min;
}

}  // namespace

const FormatCodec kQ2_KCodec = {decode, nullptr, pack, unpack};

}  // namespace regroup
