// q4_k: super-blocks of 256 columns: half d, half dmin, eight 6-bit scales sc and minima m, 128 bytes of nibbles;
// weight = d * sc * q - dmin * m for 32 columns each. Device chunks: see shaders/formats/q4_k.glsl.
#include "runtime/core/half.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/k_scales.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 144;
constexpr std::size_t kScales = 4;  // where they start in a super-block
constexpr std::size_t kNibbles = 16;

// Two blocks of 32 columns share 32 bytes: the even block has the low nibbles.
const std::byte* nibbles_of(const std::byte* super_block, std::uint32_t b) {
  return super_block + kNibbles + 32 * (b / 2);
}

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes) {
    const float d = half_to_float(load<std::uint16_t>(blocks));
    const float dmin = half_to_float(load<std::uint16_t>(blocks + 2));
    const KScales k = load_k_scales(blocks + kScales);
    for (std::uint32_t b = 0; b < 8; ++b, out += 32) {
      const float scale = d * static_cast<float>(k.scales[b]);
      const float min = dmin * static_cast<float>(k.mins[b]);
      const std::byte* nibbles = nibbles_of(blocks, b);
      for (std::size_t i = 0; i < 32; ++i) {
        const std::uint32_t q = (std::to_integer<std::uint32_t>(nibbles[i]) >> (4 * (b % 2))) & 15u;
        out[i] = scale * static_cast<float>(q) - min;
      }
    }
  }
}

void pack(const std::byte* blocks, std::uint32_t, const ChunkWriter& out) {
  out.put(0, k_scales_chunk(load_k_scales(blocks + kScales), load<std::uint32_t>(blocks)));
  for (std::uint32_t b = 0; b < 8; ++b) out.put(1 + b, gather_nibbles(nibbles_of(blocks, b), 4 * (b % 2)));
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t q = nibble_of(in, 1 + block, column);
  const KScaleMin k = packed_scale_min(in, block);
  const float scale = half_to_float(half_of(in, 0, 6)) * static_cast<float>(k.scale);
  const float min = half_to_float(half_of(in, 0, 7)) * static_cast<float>(k.min);
  return scale * static_cast<float>(q) - min;
}

}  // namespace

const FormatCodec kQ4_KCodec = {decode, nullptr, pack, unpack};

}  // namespace regroup
