// The 6-bit scales and minima of q4_k and q5_k: 12 bytes in the file, three words of the header chunk on the device.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/formats/chunk.h"

namespace regroup {

struct KScales {
  std::array<std::uint8_t, 8> scales;
  std::array<std::uint8_t, 8> mins;
};

// ggml's 12 bytes: 0..3 and 4..7 hold the first four scales and minima, bytes 8..11 the lower nibbles of the last four
// of both, whose upper two bits lie on top of the first eight bytes.
inline KScales load_k_scales(const std::byte* bytes) {
  KScales k;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto scale = std::to_integer<unsigned>(bytes[i]);
    const auto min = std::to_integer<unsigned>(bytes[i + 4]);
    const auto both = std::to_integer<unsigned>(bytes[i + 8]);
    k.scales[i] = static_cast<std::uint8_t>(scale & 63u);
    k.mins[i] = static_cast<std::uint8_t>(min & 63u);
    k.scales[i + 4] = static_cast<std::uint8_t>((both & 15u) | ((scale >> 6) << 4));
    k.mins[i + 4] = static_cast<std::uint8_t>((both >> 4) | ((min >> 6) << 4));
  }
  return k;
}

// The header chunk (see packed_scale_min in shaders/formats/bits.glsl): lower nibbles of scales, of minima, upper bits
// of both, halves d and dmin.
inline Chunk k_scales_chunk(const KScales& k, std::uint32_t d_dmin) {
  Chunk chunk{0, 0, 0, d_dmin};
  for (unsigned b = 0; b < 8; ++b) {
    chunk[0] |= (k.scales[b] & 15u) << (4 * b);
    chunk[1] |= (k.mins[b] & 15u) << (4 * b);
    chunk[2] |= (static_cast<std::uint32_t>(k.scales[b]) >> 4 << (2 * b)) |
                (static_cast<std::uint32_t>(k.mins[b]) >> 4 << (16 + 2 * b));
  }
  return chunk;
}

struct KScaleMin {
  std::uint32_t scale;
  std::uint32_t min;
};
inline KScaleMin packed_scale_min(const ChunkReader& in, std::uint32_t block) {
  const std::uint32_t high = in.word(0, 2) >> (2 * block);
  return {((in.word(0, 0) >> (4 * block)) & 15u) | ((high & 3u) << 4),
          ((in.word(0, 1) >> (4 * block)) & 15u) | (((high >> 16) & 3u) << 4)};
}

}  // namespace regroup
