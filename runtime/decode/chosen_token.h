// Reading back what the sampler chose.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/gpu/buffer.h"
#include "runtime/model/model.h"

namespace regroup {

struct DecodedToken {
  std::uint32_t id;
  // Greedy: among all tokens; sampled: among the candidates that the filters left, at this temperature
  // (Sample::chosen).
  float probability;
};

// From Sample::chosen. Throws kNotANumber when a logit was not a finite number; `position` is told in that case.
DecodedToken read_chosen(const Model& model, const Buffer& chosen, std::size_t position);

// Throws kNotANumber unless all `logits`, which belong to the token at `position`, are finite numbers.
void check_logits(const Model& model, std::span<const float> logits, std::size_t position);

// Throws kUsage unless there are tokens, every id is in the vocabulary, and they fit into what is left of `context`
// after `taken` positions.
void check_prompt(const Model& model, std::span<const std::uint32_t> tokens, std::uint32_t context,
                  std::size_t taken = 0);

}  // namespace regroup
