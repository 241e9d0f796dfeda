// Names of GGUF tensor type numbers, for messages about tensors that regroup cannot read.
#pragma once

#include <cstdint>
#include <string>

namespace regroup {

// "IQ4_NL (type 20)"; for numbers that ggml never had or has removed: "type 200, which does not exist", "type 4, which
// was removed".
std::string gguf_tensor_type_name(std::uint32_t type);

// Whether ggml has such a type today.
bool is_gguf_tensor_type(std::uint32_t type);

}  // namespace regroup
