// Parses and completely checks one safetensors file that is in memory.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/file/model_file.h"

namespace regroup {

struct SafetensorsContents {
  std::map<std::string, std::string> metadata;  // __metadata__
  std::vector<FileTensor> tensors;              // in the order of their data; f32, f16, bf16; a scalar has shape {1}
  std::vector<std::string> skipped;             // what `may_skip` and `is_unused` gave up
};

// `file_bytes` must outlive the tensors, whose bytes have no alignment. `file` is named in errors.
// Tensors of other types than F32, F16 and BF16 are refused, unless they are integers or bools and may_skip(name)
// holds; those for which is_unused(name) holds may have any type, and no elements at all. Data ranges must follow each
// other without a gap and cover the file to its end. Throws kBadModel.
SafetensorsContents parse_safetensors(std::span<const std::byte> file_bytes, std::string_view file,
                                      const std::function<bool(std::string_view)>& may_skip = {},
                                      const std::function<bool(std::string_view)>& is_unused = {});

}  // namespace regroup
