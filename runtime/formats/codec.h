// What every weight format supplies on the host, one constant per format (kQ4_0Codec in q4_0.cpp, ...), listed by
// formats.def.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/formats/chunk.h"
#include "runtime/formats/weight_format.h"

namespace regroup {

struct FormatCodec {
  // Decodes `count` file blocks to count * block_elements floats.
  void (*decode)(const std::byte* blocks, std::size_t count, float* out);
  // Encodes count * block_elements floats to `count` file blocks; nullptr where there is no encoder.
  void (*encode)(const float* values, std::size_t count, std::byte* out);
  // Writes the device chunks of one row's super-block from the file blocks of its `columns` (1..256, a multiple of
  // block_elements).
  void (*pack)(const std::byte* blocks, std::uint32_t columns, const ChunkWriter& out);
  // The weight at column `column` (0..31) of block `block` (0..7) of a row's super-block, computed as
  // shaders/formats/<name>.glsl does.
  float (*unpack)(const ChunkReader& in, std::uint32_t block, std::uint32_t column);
};

#define REGROUP_WEIGHT_FORMAT(name, enumerator, gguf, elements, bytes, header, body) \
  extern const FormatCodec enumerator##Codec;
#include "shaders/formats/formats.def"
#undef REGROUP_WEIGHT_FORMAT

const FormatCodec& format_codec(WeightFormat format);

}  // namespace regroup
