#include "runtime/gpu/spoil_shader.h"

#include <set>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// From the SPIR-V specification and that of GLSL.std.450.
constexpr std::uint32_t kOpNop = 0, kOpExtInst = 12, kOpTypePointer = 32, kOpStore = 62, kOpAccessChain = 65,
                        kOpFAdd = 129, kOpFMul = 133;
constexpr std::uint32_t kExtFma = 50, kExtMix = 46;  // both take three operands of the result's type
constexpr std::uint32_t kStorageBuffer = 12;

template <typename Visit>
void for_each_instruction(std::vector<std::uint32_t>& words, const Visit& visit) {
  for (std::size_t at = 5; at < words.size();) {
    const std::uint32_t count = words[at] >> 16;
    REGROUP_CHECK(count > 0 && at + count <= words.size());
    visit(words[at] & 0xffffu, std::span(words).subspan(at, count));
    at += count;
  }
}

bool change_float_sums(std::vector<std::uint32_t>& words) {
  bool changed = false;
  for_each_instruction(words, [&](std::uint32_t op, std::span<std::uint32_t> instruction) {
    if (op == kOpFAdd) instruction[0] = (instruction[0] & 0xffff0000u) | kOpFMul;
    const bool fma = op == kOpExtInst && instruction.size() == 8 && instruction[4] == kExtFma;
    if (fma) instruction[4] = kExtMix;
    changed = changed || fma || op == kOpFAdd;
  });
  return changed;
}

void drop_buffer_stores(std::vector<std::uint32_t>& words) {
  std::set<std::uint32_t> pointer_types, pointers;
  for_each_instruction(words, [&](std::uint32_t op, std::span<std::uint32_t> instruction) {
    if (op == kOpTypePointer && instruction[2] == kStorageBuffer) pointer_types.insert(instruction[1]);
    if (op == kOpAccessChain && pointer_types.contains(instruction[1])) pointers.insert(instruction[2]);
    if (op != kOpStore || !pointers.contains(instruction[1])) return;
    for (std::uint32_t& word : instruction) word = (1u << 16) | kOpNop;
  });
}

}  // namespace

std::vector<std::uint32_t> spoil_shader(std::span<const std::uint32_t> words) {
  std::vector<std::uint32_t> spoiled(words.begin(), words.end());
  if (!change_float_sums(spoiled)) drop_buffer_stores(spoiled);
  return spoiled;
}

}  // namespace regroup
