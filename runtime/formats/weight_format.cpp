#include "runtime/formats/weight_format.h"

#include <array>

#include "runtime/core/error.h"
#include "runtime/formats/codec.h"

namespace regroup {
namespace {

constexpr std::array kInfos = {
#define REGROUP_WEIGHT_FORMAT(name, enumerator, gguf, elements, bytes, header, body) \
  WeightFormatInfo{WeightFormat::enumerator, #name, gguf, elements, bytes, header, body},
#include "shaders/formats/formats.def"
#undef REGROUP_WEIGHT_FORMAT
};

}  // namespace

const FormatCodec& format_codec(WeightFormat format) {
  static constexpr std::array kCodecs = {
#define REGROUP_WEIGHT_FORMAT(name, enumerator, gguf, elements, bytes, header, body) &enumerator##Codec,
#include "shaders/formats/formats.def"
#undef REGROUP_WEIGHT_FORMAT
  };
  REGROUP_CHECK(static_cast<std::size_t>(format) < kCodecs.size());
  return *kCodecs[static_cast<std::size_t>(format)];
}

const WeightFormatInfo& format_info(WeightFormat format) {
  REGROUP_CHECK(static_cast<std::size_t>(format) < kInfos.size());
  return kInfos[static_cast<std::size_t>(format)];
}

std::span<const WeightFormatInfo> all_weight_formats() {
  return kInfos;
}

std::optional<WeightFormat> weight_format_from_gguf(std::uint32_t gguf_type) {
  for (const WeightFormatInfo& info : kInfos) {
    if (info.gguf_type == gguf_type) return info.format;
  }
  return std::nullopt;
}

std::optional<WeightFormat> weight_format_from_name(std::string_view name) {
  for (const WeightFormatInfo& info : kInfos) {
    if (info.name == name) return info.format;
  }
  return std::nullopt;
}

std::size_t row_bytes(WeightFormat format, std::size_t columns) {
  const WeightFormatInfo& info = format_info(format);
  REGROUP_CHECK(columns % info.block_elements == 0);
  return columns / info.block_elements * info.block_bytes;
}

void decode_row(WeightFormat format, std::span<const std::byte> row, std::span<float> out) {
  REGROUP_CHECK(row.size() == row_bytes(format, out.size()));
  format_codec(format).decode(row.data(), out.size() / format_info(format).block_elements, out.data());
}

bool has_encoder(WeightFormat format) {
  return format_codec(format).encode != nullptr;
}

void encode_row(WeightFormat format, std::span<const float> row, std::span<std::byte> out) {
  REGROUP_CHECK(has_encoder(format));
  REGROUP_CHECK(out.size() == row_bytes(format, row.size()));
  format_codec(format).encode(row.data(), row.size() / format_info(format).block_elements, out.data());
}

}  // namespace regroup
