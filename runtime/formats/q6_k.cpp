// q6_k: super-blocks of 256 columns: 128 bytes of lower nibbles, 64 bytes of upper bit pairs, 16 signed scales sc, half
// d; weight = d * sc * (q - 32), a scale for 16 columns each. Device chunks: see shaders/formats/q6_k.glsl.
#include <bit>

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 210;
constexpr std::size_t kPairs = 128;  // where they start in a super-block
constexpr std::size_t kScales = 192;
constexpr std::size_t kD = 208;

// Where the 32 columns of block b lie: bytes of which column t has `shift` .. in byte t.
struct Field {
  const std::byte* bytes;
  unsigned shift;
};
// A half of the super-block (four blocks) has 64 bytes: low nibbles of the first 32 are its block 0, of the others
// block 1; then the high nibbles.
Field nibbles_of(const std::byte* super_block, std::uint32_t b) {
  return {super_block + 64 * (b / 4) + 32 * (b % 2), 4 * (b % 4 / 2)};
}
// ... and 32 bytes of pairs, one for each of its four blocks.
Field pairs_of(const std::byte* super_block, std::uint32_t b) {
  return {super_block + kPairs + 32 * (b / 4), 2 * (b % 4)};
}

float scale_of(const std::byte* super_block, std::uint32_t sub_block) {
  const float d = half_to_float(load<std::uint16_t>(super_block + kD));
  return d * static_cast<float>(static_cast<std::int8_t>(super_block[kScales + sub_block]));
}

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes) {
    for (std::uint32_t b = 0; b < 8; ++b, out += 32) {
      const float scales[2] = {scale_of(blocks, 2 * b), scale_of(blocks, 2 * b + 1)};
      const Field nibbles = nibbles_of(blocks, b);
      const Field pairs = pairs_of(blocks, b);
      for (std::size_t i = 0; i < 32; ++i) {
        const std::uint32_t low = (std::to_integer<std::uint32_t>(nibbles.bytes[i]) >> nibbles.shift) & 15u;
        const std::uint32_t high = (std::to_integer<std::uint32_t>(pairs.bytes[i]) >> pairs.shift) & 3u;
        out[i] = scales[i / 16] * (static_cast<float>(low | (high << 4)) - 32.0f);
      }
    }
  }
}

void pack(const std::byte* blocks, std::uint32_t, const ChunkWriter& out) {
  for (std::uint32_t b = 0; b < 8; ++b) {
    const Field nibbles = nibbles_of(blocks, b);
    const Field pairs = pairs_of(blocks, b);
    out.put(2 * b, gather_nibbles(nibbles.bytes, nibbles.shift));
    out.put(2 * b + 1, {gather_pairs(pairs.bytes, pairs.shift), gather_pairs(pairs.bytes + 16, pairs.shift),
                        std::bit_cast<std::uint32_t>(scale_of(blocks, 2 * b)),
                        std::bit_cast<std::uint32_t>(scale_of(blocks, 2 * b + 1))});
  }
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t low = nibble_of(in, 2 * block, column);
  const std::uint32_t high = pair_of(in.word(2 * block + 1, column / 16), column % 16);
  const float scale = std::bit_cast<float>(in.word(2 * block + 1, 2 + column / 16));
  return scale * (static_cast<float>(low | (high << 4)) - 32.0f);
}

}  // namespace

const FormatCodec kQ6_KCodec = {decode, nullptr, pack, unpack};

}  // namespace regroup
