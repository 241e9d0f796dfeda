// Interfaces of all compiled kernels: unique bindings within the limits that every device guarantees.
#include "runtime/gpu/spirv_reflection.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "runtime/gpu/shader_table.h"

namespace regroup::test {
namespace {

// Vulkan 1.1's guaranteed floor.
constexpr std::size_t kMaxStorageBuffers = 4, kMaxTexelBuffers = 16;
constexpr std::uint32_t kMaxPushConstantBytes = 128;

const ShaderEntry& entry(std::string_view name) {
  const auto table = shader_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const ShaderEntry& e) { return e.name == name; });
  if (found == table.end()) throw std::logic_error("no kernel " + std::string(name));
  return *found;
}

TEST(SpirvReflection, ReadsTheInterfaceOfASimpleKernel) {
  const ShaderReflection add = reflect_shader(entry("add").words);
  ASSERT_EQ(add.bindings.size(), 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(add.bindings[i].binding, i);
    EXPECT_EQ(add.bindings[i].kind, BindingKind::kStorageBuffer);
    EXPECT_EQ(add.bindings[i].reads, i < 2);
    EXPECT_EQ(add.bindings[i].writes, i == 2);
  }
  EXPECT_EQ(add.push_constant_bytes, 4u);
}

TEST(SpirvReflection, TableIsSortedAndNamesAreUnique) {
  const auto table = shader_table();
  EXPECT_GT(table.size(), 100u);
  for (std::size_t i = 1; i < table.size(); ++i) EXPECT_LT(table[i - 1].name, table[i].name);
}

TEST(SpirvReflection, EveryKernelKeepsTheGuaranteedFloor) {
  for (const ShaderEntry& shader : shader_table()) {
    SCOPED_TRACE(shader.name);
    const ShaderReflection reflection = reflect_shader(shader.words);
    EXPECT_FALSE(reflection.bindings.empty());
    std::set<std::uint32_t> bindings;
    std::size_t storage = 0, texel = 0;
    bool writes = false;
    for (const ReflectedBinding& binding : reflection.bindings) {
      EXPECT_TRUE(bindings.insert(binding.binding).second) << "binding " << binding.binding << " twice";
      (binding.kind == BindingKind::kStorageBuffer ? storage : texel) += 1;
      writes = writes || binding.writes;
      EXPECT_TRUE(binding.reads || binding.writes) << "binding " << binding.binding << " does nothing";
      if (binding.kind != BindingKind::kStorageBuffer) {
        EXPECT_FALSE(binding.writes);
      }
    }
    EXPECT_TRUE(writes) << "a kernel without a result";
    EXPECT_LE(storage, kMaxStorageBuffers);
    EXPECT_LE(texel, kMaxTexelBuffers);
    EXPECT_LE(reflection.push_constant_bytes, kMaxPushConstantBytes);
    EXPECT_EQ(reflection.push_constant_bytes % 4, 0u);
    EXPECT_TRUE(std::is_sorted(reflection.bindings.begin(), reflection.bindings.end(),
                               [](const auto& a, const auto& b) { return a.binding < b.binding; }));
  }
}

TEST(SpirvReflection, TexelKernelsBindTexelBuffers) {
  std::size_t with_texels = 0;
  for (const ShaderEntry& shader : shader_table()) {
    const ShaderReflection reflection = reflect_shader(shader.words);
    const bool has = std::any_of(reflection.bindings.begin(), reflection.bindings.end(),
                                 [](const ReflectedBinding& b) { return b.kind != BindingKind::kStorageBuffer; });
    // Others may read small vectors (norm gains) through texel buffers.
    if (shader.name.find("texel") != std::string_view::npos) EXPECT_TRUE(has) << shader.name;
    with_texels += has ? 1 : 0;
  }
  EXPECT_GT(with_texels, 10u);
}

TEST(SpirvReflection, RefusesWordsThatAreNoShader) {
  const auto words = entry("add").words;
  std::vector<std::uint32_t> copy(words.begin(), words.end());
  EXPECT_THROW(reflect_shader({}), std::logic_error);
  copy[0] ^= 1;
  EXPECT_THROW(reflect_shader(copy), std::logic_error);
  copy[0] ^= 1;
  copy[5] = words[5] | 0xffff0000u;  // an instruction past the end
  EXPECT_THROW(reflect_shader(copy), std::logic_error);
  copy[5] = words[5] & 0xffffu;  // an instruction of no words would never end
  EXPECT_THROW(reflect_shader(copy), std::logic_error);
}

}  // namespace
}  // namespace regroup::test
