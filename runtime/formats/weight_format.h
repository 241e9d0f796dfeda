// The weight formats that model files hold: what a block looks like in the file, and how rows are decoded and encoded
// on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace regroup {

enum class WeightFormat : std::uint8_t {
#define REGROUP_WEIGHT_FORMAT(name, enumerator, gguf, elements, bytes, header, body) enumerator,
#include "shaders/formats/formats.def"
#undef REGROUP_WEIGHT_FORMAT
};

// One row of shaders/formats/formats.def.
struct WeightFormatInfo {
  WeightFormat format;
  std::string_view name;         // "q4_0", as kernels and the command line call it
  std::uint32_t gguf_type;       // ggml_type number in GGUF files
  std::uint32_t block_elements;  // a row's length is a multiple of it
  std::uint32_t block_bytes;     // file bytes of one block
  std::uint32_t header_chunks;   // device: 16-byte chunks per row and 256 columns before the bodies
  std::uint32_t body_chunks;     // device: 16-byte chunks per row and 32 columns
};

const WeightFormatInfo& format_info(WeightFormat format);
std::span<const WeightFormatInfo> all_weight_formats();
std::optional<WeightFormat> weight_format_from_gguf(std::uint32_t gguf_type);
std::optional<WeightFormat> weight_format_from_name(std::string_view name);

// File bytes of a row of `columns` elements (a multiple of block_elements).
std::size_t row_bytes(WeightFormat format, std::size_t columns);

// Decodes `columns` elements (a multiple of block_elements) from file blocks to floats; row.size() == row_bytes(format,
// columns). Every product and sum is rounded to float once, in the order of ggml's dequantize_row_*, so that the device
// can repeat it bit by bit.
void decode_row(WeightFormat format, std::span<const std::byte> row, std::span<float> out);

// Encodes floats to file blocks as ggml's reference quantisers do. Formats that cannot be encoded: has_encoder() is
// false.
bool has_encoder(WeightFormat format);
void encode_row(WeightFormat format, std::span<const float> row, std::span<std::byte> out);

}  // namespace regroup
