// All compiled kernels by name (generated at build time from shaders/*/kernels.def).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace regroup {

struct ShaderEntry {
  std::string_view name;
  std::span<const std::uint32_t> words;  // SPIR-V
};

// Sorted by name.
std::span<const ShaderEntry> shader_table();
// Null when there is none of that name.
const ShaderEntry* find_shader(std::string_view name);

}  // namespace regroup
