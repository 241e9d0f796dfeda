// q4_1: blocks of 32 columns: half d, half m, 32 nibbles (byte t: column t low, column t + 16 high);
// weight = q * d + m. Device chunks: see shaders/formats/q4_1.glsl.
#include "runtime/core/half.h"
#include "runtime/formats/codec.h"
#include "runtime/formats/quantise.h"

namespace regroup {
namespace {

constexpr std::size_t kBlockBytes = 20;
constexpr std::size_t kNibbles = 4;  // where they start in a block

void decode(const std::byte* blocks, std::size_t count, float* out) {
  for (std::size_t block = 0; block < count; ++block, blocks += kBlockBytes, out += 32) {
    const float d = half_to_float(load<std::uint16_t>(blocks));
    const float m = half_to_float(load<std::uint16_t>(blocks + 2));
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t low = (std::to_integer<std::uint32_t>(blocks[kNibbles + i]) & 15u);
      const std::uint32_t high = (std::to_integer<std::uint32_t>(blocks[kNibbles + i]) >> 4);
      out[i] = static_cast<float>(low) * d + m;
      out[i + 16] = static_cast<float>(high) * d + m;
    }
  }
}

void encode(const float* values, std::size_t count, std::byte* out) {
  for (std::size_t block = 0; block < count; ++block, values += 32, out += kBlockBytes) {
    const Range range = range_of(values);
    const float d = (range.high - range.low) / 15.0f;
    const float inverse = inverse_or_zero(d);
    store(out, float_to_half(d));
    store(out + 2, float_to_half(range.low));
    for (std::size_t i = 0; i < 16; ++i) {
      const std::uint32_t low = to_level((values[i] - range.low) * inverse + 0.5f, 15.0f);
      const std::uint32_t high = to_level((values[i + 16] - range.low) * inverse + 0.5f, 15.0f);
      out[kNibbles + i] = static_cast<std::byte>(low | (high << 4));
    }
  }
}

void pack(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out) {
  std::array<std::uint32_t, 8> scales_mins{};
  for (std::uint32_t b = 0; b < columns / 32; ++b, blocks += kBlockBytes) {
    scales_mins[b] = load<std::uint32_t>(blocks);
    out.put_bytes(2 + b, blocks + kNibbles);
  }
  out.put(0, {scales_mins[0], scales_mins[1], scales_mins[2], scales_mins[3]});
  out.put(1, {scales_mins[4], scales_mins[5], scales_mins[6], scales_mins[7]});
}

float unpack(const ChunkReader& in, std::uint32_t block, std::uint32_t column) {
  const std::uint32_t q = nibble_of(in, 2 + block, column);
  const std::uint32_t scale_min = in.word(block / 4, block % 4);
  const float d = half_to_float(static_cast<std::uint16_t>(scale_min));
  const float m = half_to_float(static_cast<std::uint16_t>(scale_min >> 16));
  return d * static_cast<float>(q) + m;
}

}  // namespace

const FormatCodec kQ4_1Codec = {decode, encode, pack, unpack};

}  // namespace regroup
