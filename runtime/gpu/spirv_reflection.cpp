#include "runtime/gpu/spirv_reflection.h"

#include <algorithm>
#include <map>
#include <set>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// The few opcodes, decorations and storage classes of the SPIR-V specification that matter here.
enum Op : std::uint32_t {
  kOpTypeInt = 21,
  kOpTypeFloat = 22,
  kOpTypeVector = 23,
  kOpTypeImage = 25,
  kOpTypeSampledImage = 27,
  kOpTypeStruct = 30,
  kOpTypePointer = 32,
  kOpVariable = 59,
  kOpDecorate = 71,
  kOpMemberDecorate = 72,
};
enum Decoration : std::uint32_t {
  kNonWritable = 24,
  kNonReadable = 25,
  kBinding = 33,
  kOffset = 35,
};
enum StorageClass : std::uint32_t { kUniformConstant = 0, kPushConstant = 9, kStorageBuffer = 12 };

struct Module {
  std::map<std::uint32_t, std::pair<std::uint32_t, std::uint32_t>> pointers;  // id -> (storage class, pointee)
  std::map<std::uint32_t, std::vector<std::uint32_t>> structs;                // id -> member types
  std::map<std::uint32_t, std::uint32_t> images, sampled_images, vector_components, vector_types;
  std::set<std::uint32_t> floats;
  std::map<std::uint32_t, std::uint32_t> binding_of;       // variable -> binding
  std::map<std::uint32_t, std::set<std::uint32_t>> flags;  // id -> decorations without operands
  std::map<std::uint32_t, std::map<std::uint32_t, std::set<std::uint32_t>>> member_flags;
  std::map<std::uint32_t, std::map<std::uint32_t, std::uint32_t>> member_offsets;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> variables;  // (pointer type, id)
};

Module parse(std::span<const std::uint32_t> words) {
  REGROUP_CHECK(words.size() > 5 && words[0] == 0x07230203u);
  Module m;
  for (std::size_t at = 5; at < words.size();) {
    const std::uint32_t count = words[at] >> 16;
    REGROUP_CHECK(count > 0 && at + count <= words.size());
    const auto word = [&](std::size_t i) { return words[at + i]; };
    switch (words[at] & 0xffffu) {
      case kOpTypeFloat:
        m.floats.insert(word(1));
        break;
      case kOpTypeVector:
        m.vector_types[word(1)] = word(2);
        m.vector_components[word(1)] = word(3);
        break;
      case kOpTypeImage:
        m.images[word(1)] = word(2);
        break;
      case kOpTypeSampledImage:
        m.sampled_images[word(1)] = word(2);
        break;
      case kOpTypeStruct:
        m.structs[word(1)].assign(words.begin() + static_cast<std::ptrdiff_t>(at) + 2,
                                  words.begin() + static_cast<std::ptrdiff_t>(at + count));
        break;
      case kOpTypePointer:
        m.pointers[word(1)] = {word(2), word(3)};
        break;
      case kOpVariable:
        m.variables.emplace_back(word(1), word(2));
        break;
      case kOpDecorate:
        if (word(2) == kBinding) m.binding_of[word(1)] = word(3);
        if (count == 3) m.flags[word(1)].insert(word(2));
        break;
      case kOpMemberDecorate:
        if (word(3) == kOffset) m.member_offsets[word(1)][word(2)] = word(4);
        if (count == 4) m.member_flags[word(1)][word(2)].insert(word(3));
        break;
      default:
        break;
    }
    at += count;
  }
  return m;
}

// A qualifier holds for a block when it stands on the variable or on every member.
bool block_has(const Module& m, std::uint32_t variable, std::uint32_t type, std::uint32_t decoration) {
  const auto on_variable = m.flags.find(variable);
  if (on_variable != m.flags.end() && on_variable->second.contains(decoration)) return true;
  const auto members = m.member_flags.find(type);
  if (members == m.member_flags.end()) return false;
  const std::size_t count = m.structs.at(type).size();
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto found = members->second.find(i);
    if (found == members->second.end() || !found->second.contains(decoration)) return false;
  }
  return count > 0;
}

std::uint32_t struct_bytes(const Module& m, std::uint32_t type) {
  std::uint32_t end = 0;
  const auto& members = m.structs.at(type);
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    const auto components = m.vector_components.find(members[i]);
    const std::uint32_t size = components == m.vector_components.end() ? 4 : 4 * components->second;
    end = std::max(end, m.member_offsets.at(type).at(i) + size);
  }
  return end;
}

}  // namespace

ShaderReflection reflect_shader(std::span<const std::uint32_t> words) {
  const Module m = parse(words);
  ShaderReflection reflection;
  for (const auto& [pointer, variable] : m.variables) {
    const auto [storage_class, type] = m.pointers.at(pointer);
    if (storage_class == kPushConstant) {
      reflection.push_constant_bytes = struct_bytes(m, type);
    } else if (storage_class == kStorageBuffer) {
      reflection.bindings.push_back({m.binding_of.at(variable), BindingKind::kStorageBuffer,
                                     !block_has(m, variable, type, kNonReadable),
                                     !block_has(m, variable, type, kNonWritable)});
    } else if (storage_class == kUniformConstant) {
      const auto sampled = m.sampled_images.find(type);
      const std::uint32_t image = sampled == m.sampled_images.end() ? type : sampled->second;
      const bool is_float = m.floats.contains(m.images.at(image));
      reflection.bindings.push_back(
          {m.binding_of.at(variable), is_float ? BindingKind::kTexelFloat : BindingKind::kTexelUint, true, false});
    }
  }
  std::sort(reflection.bindings.begin(), reflection.bindings.end(),
            [](const ReflectedBinding& a, const ReflectedBinding& b) { return a.binding < b.binding; });
  // A shader may see one buffer as several types; it is one binding all the same.
  std::vector<ReflectedBinding> merged;
  for (const ReflectedBinding& next : reflection.bindings) {
    if (merged.empty() || merged.back().binding != next.binding) {
      merged.push_back(next);
      continue;
    }
    REGROUP_CHECK(merged.back().kind == next.kind);
    merged.back().reads |= next.reads;
    merged.back().writes |= next.writes;
  }
  reflection.bindings = std::move(merged);
  return reflection;
}

}  // namespace regroup
