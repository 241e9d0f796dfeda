// What a compute shader's SPIR-V says about its interface, so that a binding is written once, in the shader.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace regroup {

enum class BindingKind { kStorageBuffer, kTexelUint, kTexelFloat };

struct ReflectedBinding {
  std::uint32_t binding;
  BindingKind kind;
  bool reads;   // false when declared writeonly
  bool writes;  // false when declared readonly, and for texel buffers
};

struct ShaderReflection {
  std::vector<ReflectedBinding> bindings;  // ascending, each once; all in set 0
  std::uint32_t push_constant_bytes = 0;
};

// Throws std::logic_error on words that glslc would not write: shaders are ours.
ShaderReflection reflect_shader(std::span<const std::uint32_t> words);

}  // namespace regroup
