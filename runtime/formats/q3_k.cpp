// q3_k: super-blocks of 256 columns: 32 bytes of upper bits, 64 bytes of lower bit pairs, 16 scales sc of 6 bits, half
// d; weight = d * (sc - 32) * (q - 4), a scale for 16 columns each. Device chunks: see shaders/formats/q3_k.glsl.
#include <bit>

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 110;
constexpr std::size_t kPairs =
    32;  // where they start in a super-block; the upper bits are first: bit b of byte t is column t of block b
constexpr std::size_t kScales = 96;
constexpr std::size_t kD = 108;

// Column t of block b has bits 2 * (b % 4) and up of byte t.
const std::byte* pairs_of(const std::byte* super_block, std::uint32_t b) {
  return super_block + kPairs + 32 * (b / 4);
}

// Lower nibbles: bytes 0..7 hold scales 0..7 and, on top, 8..15. Upper pairs: bytes 8..11, four scales to a byte, i, i
// + 4, i + 8, i + 12.
std::uint32_t scale_number(const std::byte* super_block, std::uint32_t sub_block) {
  const std::byte* bytes = super_block + kScales;
  const std::uint32_t low = (std::to_integer<std::uint32_t>(bytes[sub_block % 8]) >> (4 * (sub_block / 8))) & 15u;
  const std::uint32_t high = (std::to_integer<std::uint32_t>(bytes[8 + sub_block % 4]) >> (2 * (sub_block / 4))) & 3u;
  return low | (high << 4);
}

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes) {
    const float d = half_to_float(load<std::uint16_t>(blocks + kD));
    for (std::uint32_t b = 0; b < 8; ++b, out += 32) {
      const float scales[2] = {d * (static_cast<float>(scale_number(blocks, 2 * b)) - 32.0f),
                               d * (static_cast<float>(scale_number(blocks, 2 * b + 1)) - 32.0f)};
      const std::byte* pairs = pairs_of(blocks, b);
      for (std::size_t i = 0; i < 32; ++i) {
        const std::uint32_t low = (std::to_integer<std::uint32_t>(pairs[i]) >> (2 * (b % 4))) & 3u;
        const std::uint32_t high = (std::to_integer<std::uint32_t>(blocks[i]) >> b) & 1u;
        out[i] = scales[i / 16] * (static_cast<float>(low | (high << 2)) - 4.0f);
      }
    }
  }
}

void pack(const std::byte* blocks, std::uint32_t, const ChunkWriter& out) {
  // A half that became a float has 13 free bits, enough for two scales.
  const auto d = std::bit_cast<std::uint32_t>(half_to_float(load<std::uint16_t>(blocks + kD)));
  for (std::uint32_t b = 0; b < 8; ++b) {
    const std::byte* pairs = pairs_of(blocks, b);
    const unsigned shift = 2 * (b % 4);
    out.put(b, {gather_pairs(pairs, shift), gather_pairs(pairs + 16, shift), gather_bits(blocks, b),
                d | scale_number(blocks, 2 * b) | (scale_number(blocks, 2 * b + 1) << 6)});
  }
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t low = pair_of(in.word(block, column / 16), column % 16);
  const std::uint32_t high = bit_of(in.word(block, 2), column);
  const std::uint32_t d_scales = in.word(block, 3);
  const float number = static_cast<float>((d_scales >> (6 * (column / 16))) & 63u) - 32.0f;
  const float scale = std::bit_cast<float>(d_scales & 0xffffe000u) * number;
  return scale * (static_cast<float>(low | (high << 2)) - 4.0f);
}

}  // namespace

const FormatCodec kQ3_KCodec = {decode, nullptr, pack, unpack};

}  // namespace regroup
