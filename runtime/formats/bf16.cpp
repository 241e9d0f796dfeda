// bf16: the upper halves of floats.

#include "runtime/core/half.h"
#include "runtime/formats/codec.h"

namespace regroup {
namespace {

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t i = 0; i < count; ++i) out[i] = bfloat16_to_float(load<std::uint16_t>(blocks + 2 * i));
}

void encode(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t i = 0; i < count; ++i) store(out + sizeof(std::uint16_t) * i, float_to_bfloat16(values[i]));
}

void pack(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out) {
  constexpr std::uint32_t kPerChunk = kChunkBytes / sizeof(std::uint16_t);
  const std::uint32_t full = columns / kPerChunk;
  for (std::uint32_t chunk = 0; chunk < full; ++chunk) out.put_bytes(chunk, blocks + kChunkBytes * chunk);
  if (columns % 32 == 0) return;
  // A row may end anywhere: its last chunk is filled up with zeros, and so is its last block of 32 columns.
  Chunk last{};
  std::memcpy(last.data(), blocks + kChunkBytes * full, (columns % kPerChunk) * sizeof(std::uint16_t));
  out.put(full, last);
  const std::uint32_t end = (columns + 31) / 32 * (32 / kPerChunk);
  for (std::uint32_t chunk = full + 1; chunk < end; ++chunk) out.put(chunk, Chunk{});
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  return bfloat16_to_float(half_of(in, 4 * block + column / 8, column % 8));
}

}  // namespace

const FormatCodec kBF16Codec = {decode, encode, pack, unpack};

}  // namespace regroup
