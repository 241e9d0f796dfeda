// f32: floats as they are.
#include <bit>

#include "runtime/formats/codec.h"

namespace regroup {
namespace {

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = load<float>(blocks + 4 * i);
}

void encode(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) store(out + sizeof(float) * i, values[i]);
}

void pack(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out) {
  constexpr std::uint32_t kPerChunk = kChunkBytes / sizeof(float);
  const std::uint32_t full = columns / kPerChunk;
  for (std::uint32_t chunk = 0; chunk < full; ++chunk) out.put_bytes(chunk, blocks + kChunkBytes * chunk);
  if (columns % 32 == 0) return;
  // A row may end anywhere: its last chunk is filled up with zeros, and so is its last block of 32 columns.
  Chunk last{};
  std::memcpy(last.data(), blocks + kChunkBytes * full, (columns % kPerChunk) * sizeof(float));
  out.put(full, last);
  const std::uint32_t end = (columns + 31) / 32 * (32 / kPerChunk);
  for (std::uint32_t chunk = full + 1; chunk < end; ++chunk) out.put(chunk, Chunk{});
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  return std::bit_cast<float>(in.word(8 * block + column / 4, column % 4));
}

}  // namespace

const FormatCodec kF32Codec = {decode, encode, pack, unpack};

}  // namespace regroup
