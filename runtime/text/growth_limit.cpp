#include "runtime/text/growth_limit.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// A step makes the whole text anew; chains of steps that all blow it up to the limit have no use.
constexpr std::size_t kFullSteps = 16;
// What a step costs however short its text is, in bytes.
constexpr std::size_t kStepBytes = 32;

[[noreturn]] void refuse(std::size_t input_bytes) {
  throw_error(ErrorCode::kBadModel,
              "tokenizer: its normalizer or pre_tokenizer makes far too much text of {} bytes; this tokenizer is not "
              "supported",
              input_bytes);
}

}  // namespace

GrowthLimit::GrowthLimit(std::size_t input_bytes, std::size_t most)
    : input_bytes_(input_bytes),
      most_(std::min(most, kFree + std::min(input_bytes, kMost) * kFactor)),
      left_(most_ * kFullSteps) {}

void GrowthLimit::check(std::size_t bytes) const {
  if (bytes > most_) refuse(input_bytes_);
}

void GrowthLimit::made(std::size_t bytes) {
  check(bytes);
  if (bytes + kStepBytes > left_) refuse(input_bytes_);
  left_ -= bytes + kStepBytes;
}

}  // namespace regroup
