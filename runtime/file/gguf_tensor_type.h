// GGUF's tensor types by number, those that regroup cannot read too: their names for messages, and their sizes, because
// a tensor that is left out must still lie in the file.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace regroup {

struct GgufTensorType {
  std::string_view name;
  std::uint32_t block_elements;  // a row's length is a multiple of it
  std::uint32_t block_bytes;
};

// nullptr for numbers that ggml never had or has removed.
const GgufTensorType* find_gguf_tensor_type(std::uint32_t type);

// "IQ4_NL (type 20)"; for numbers without a type: "type 200, which does not exist", "type 4, which was removed".
std::string gguf_tensor_type_name(std::uint32_t type);

}  // namespace regroup
