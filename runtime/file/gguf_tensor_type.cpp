#include "runtime/file/gguf_tensor_type.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace regroup {

namespace {

// By ggml's numbers; empty: removed from the format.
constexpr std::array<std::string_view, 41> kNames = {
    "F32",   "F16",    "Q4_0",  "Q4_1", "",     "",        "Q5_0",   "Q5_1",    "Q8_0",  "Q8_1",   "Q2_K",
    "Q3_K",  "Q4_K",   "Q5_K",  "Q6_K", "Q8_K", "IQ2_XXS", "IQ2_XS", "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",
    "IQ2_S", "IQ4_XS", "I8",    "I16",  "I32",  "I64",     "F64",    "IQ1_M",   "BF16",  "",       "",
    "",      "TQ1_0",  "TQ2_0", "",     "",     "",        "MXFP4",  "NVFP4"};

}  // namespace

bool is_gguf_tensor_type(std::uint32_t type) {
  return type < kNames.size() && !kNames[type].empty();
}

std::string gguf_tensor_type_name(std::uint32_t type) {
  if (type >= kNames.size()) return fmt::format("type {}, which does not exist", type);
  if (kNames[type].empty()) return fmt::format("type {}, which was removed from the format", type);
  return fmt::format("{} (type {})", kNames[type], type);
}

}  // namespace regroup
