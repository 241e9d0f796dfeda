// One compute pipeline with the interface that its SPIR-V declares.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "runtime/gpu/spirv_reflection.h"
#include "runtime/gpu/vulkan.h"

namespace regroup {

class Kernel {
 public:
  const std::string& name() const { return name_; }
  const ShaderReflection& interface() const { return reflection_; }
  VkPipeline pipeline() const { return pipeline_.get(); }
  VkPipelineLayout layout() const { return layout_.get(); }
  VkDescriptorSetLayout set_layout() const { return set_layout_.get(); }

 private:
  friend class Device;
  std::string name_;
  ShaderReflection reflection_;
  SetLayoutHandle set_layout_;
  PipelineLayoutHandle layout_;
  PipelineHandle pipeline_;
};

// A specialisation-constant or push-constant struct (32-bit scalars only) as words. Specialisation constant i is member
// i.
template <typename Struct>
std::span<const std::uint32_t> as_words(const Struct& values) {
  static_assert(std::is_trivially_copyable_v<Struct> && sizeof(Struct) % 4 == 0 && alignof(Struct) == 4);
  return {reinterpret_cast<const std::uint32_t*>(&values), sizeof(Struct) / 4};
}

}  // namespace regroup
