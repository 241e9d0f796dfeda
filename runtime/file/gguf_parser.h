// Parses and completely checks one GGUF file (version 2 or 3, little-endian) that is in memory; allocates nothing by a
// number from the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file/gguf_metadata.h"
#include "runtime/file/model_file.h"

namespace regroup {

struct GgufContents {
  GgufMetadata metadata;
  std::vector<FileTensor> tensors;   // in file order, pointing into the parsed bytes
  std::vector<std::string> skipped;  // names that no model has, of types that cannot be read
  std::uint32_t version = 0;
  std::uint32_t alignment = 0;         // bytes
  std::uint64_t data_start_bytes = 0;  // where tensor data begins
};

inline constexpr std::uint32_t kGgufDefaultAlignment = 32;

// `file_bytes` must outlive the result's tensors. `file` is named in errors. Throws kBadModel.
GgufContents parse_gguf(std::span<const std::byte> file_bytes, std::string_view file);

}  // namespace regroup
