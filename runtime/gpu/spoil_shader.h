// A wrong version of a kernel, made on purpose: what the self-test must find.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace regroup {

// SPIR-V that is valid, reads and writes the same buffers, ends as the original does, and computes something else:
// float sums become products and fused multiply-adds become blends; a shader without either writes nothing.
std::vector<std::uint32_t> spoil_shader(std::span<const std::uint32_t> words);

}  // namespace regroup
