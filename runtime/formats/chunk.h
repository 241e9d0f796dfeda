// 16-byte chunks of one row's super-block inside a panel, and the bit work that the formats' packers share.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace regroup {

// Model files are little-endian and so is every device we know; a big-endian host would need swaps in load() and in the
// writers.
static_assert(std::endian::native == std::endian::little);

// Unaligned loads from file bytes.
template <typename T>
T load(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof value);
  return value;
}
template <typename T>
void store(std::byte* bytes, T value) {
  std::memcpy(bytes, &value, sizeof value);
}

using Chunk = std::array<std::uint32_t, 4>;
inline constexpr std::size_t kChunkBytes = sizeof(Chunk);

// The chunks of one row and super-block: consecutive chunks lie panel_rows * 16 bytes apart. Headers come first, then
// the bodies of block 0, 1, ...
class ChunkWriter {
 public:
  ChunkWriter(std::byte* first, std::size_t stride_bytes) : first_(first), stride_bytes_(stride_bytes) {}
  void put(std::size_t index, const Chunk& chunk) const {
    std::memcpy(first_ + index * stride_bytes_, chunk.data(), kChunkBytes);
  }
  void put_bytes(std::size_t index, const std::byte* bytes) const {
    std::memcpy(first_ + index * stride_bytes_, bytes, kChunkBytes);
  }

 private:
  std::byte* first_;
  std::size_t stride_bytes_;
};

class ChunkReader {
 public:
  ChunkReader(const std::byte* first, std::size_t stride_bytes) : first_(first), stride_bytes_(stride_bytes) {}
  std::uint32_t word(std::size_t index, std::size_t word) const {
    return load<std::uint32_t>(first_ + index * stride_bytes_ + 4 * word);
  }

 private:
  const std::byte* first_;
  std::size_t stride_bytes_;
};

// The chunk of 32 nibbles in ggml's order (byte t: column t low, column t + 16 high) from 32 bytes, column t at bit
// `shift` (0 or 4) of byte t.
inline Chunk gather_nibbles(const std::byte* bytes, unsigned shift) {
  Chunk chunk;
  for (std::size_t k = 0; k < 4; ++k) {
    const std::uint32_t low = (load<std::uint32_t>(bytes + 4 * k) >> shift) & 0x0f0f0f0fu;
    const std::uint32_t high = (load<std::uint32_t>(bytes + 16 + 4 * k) >> shift) & 0x0f0f0f0fu;
    chunk[k] = low | (high << 4);
  }
  return chunk;
}

// 16 columns of two bits in one word (column 4j + e at bit 8e + 2j) from 16 bytes, column t at bit `shift` of byte t.
inline std::uint32_t gather_pairs(const std::byte* bytes, unsigned shift) {
  std::uint32_t word = 0;
  for (unsigned j = 0; j < 4; ++j) word |= ((load<std::uint32_t>(bytes + 4 * j) >> shift) & 0x03030303u) << (2 * j);
  return word;
}

// 32 columns of one bit in one word (column 4j + e at bit 8e + j) from 32 bytes, column t at bit `shift` of byte t.
inline std::uint32_t gather_bits(const std::byte* bytes, unsigned shift) {
  std::uint32_t word = 0;
  for (unsigned j = 0; j < 8; ++j) word |= ((load<std::uint32_t>(bytes + 4 * j) >> shift) & 0x01010101u) << j;
  return word;
}

// The same word from 32 bits of which bit t is column t.
inline std::uint32_t spread_bits(std::uint32_t bits) {
  std::uint32_t word = 0;
  // The product copies a nibble to 0, 7, 14, 21: bit e of copy e lands on 8e.
  for (unsigned j = 0; j < 8; ++j) word |= ((((bits >> (4 * j)) & 15u) * 0x00204081u) & 0x01010101u) << j;
  return word;
}

// Their readings: the number of column t (0..31, for pairs 0..15).
inline std::uint32_t nibble_of(const ChunkReader& in, std::size_t chunk, std::uint32_t t) {
  return (in.word(chunk, (t & 15u) >> 2) >> (8 * (t & 3u) + 4 * (t >> 4))) & 15u;
}
inline std::uint32_t pair_of(std::uint32_t word, std::uint32_t t) {
  return (word >> (8 * (t & 3u) + 2 * ((t >> 2) & 3u))) & 3u;
}
inline std::uint32_t bit_of(std::uint32_t word, std::uint32_t t) {
  return (word >> (8 * (t & 3u) + (t >> 2))) & 1u;
}
// Half i (0..7) of a chunk.
inline std::uint16_t half_of(const ChunkReader& in, std::size_t chunk, std::uint32_t i) {
  return static_cast<std::uint16_t>(in.word(chunk, i >> 1) >> (16 * (i & 1u)));
}

}  // namespace regroup
