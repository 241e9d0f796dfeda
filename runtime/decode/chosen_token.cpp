#include "runtime/decode/chosen_token.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "runtime/core/error.h"
#include "runtime/gpu/transfer.h"

namespace regroup {

namespace {

[[noreturn]] void refuse_logits(const Model& model, std::size_t position) {
  throw_error(
      ErrorCode::kNotANumber,
      "the model produced a logit that is not a number at position {} on {}; try --kv f32, or `regroup selftest`",
      position, model.device().info().name);
}

}  // namespace

DecodedToken read_chosen(const Model& model, const Buffer& chosen, std::size_t position) {
  const auto words = download_values<std::uint32_t>(model.device(), chosen, 4);
  if (words[3] != 0) refuse_logits(model, position);
  return {words[0], std::bit_cast<float>(words[1])};
}

void check_logits(const Model& model, std::span<const float> logits, std::size_t position) {
  if (!std::all_of(logits.begin(), logits.end(), [](float logit) { return std::isfinite(logit); })) {
    refuse_logits(model, position);
  }
}

void check_prompt(const Model& model, std::span<const std::uint32_t> tokens, std::uint32_t context, std::size_t taken) {
  if (tokens.empty()) throw_error(ErrorCode::kUsage, "nothing to decode: the prompt has no tokens");
  if (tokens.size() > context - taken) {
    throw_error(ErrorCode::kUsage,
                "the prompt has {} tokens, the context holds {}{}; use a larger -c or a shorter prompt", tokens.size(),
                context, taken == 0 ? std::string() : fmt::format(" of which {} are taken", taken));
  }
  for (const std::uint32_t id : tokens) {
    if (id >= model.config().vocabulary) {
      throw_error(ErrorCode::kUsage, "token id {} is outside the vocabulary of {}", id, model.config().vocabulary);
    }
  }
}

}  // namespace regroup
