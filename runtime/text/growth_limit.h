// How much text the first stages of a tokenizer may make of what they are given: a file of a few kilobytes can hold
// replacements that turn one letter into gigabytes.
#pragma once

#include <cstddef>

namespace regroup {

class GrowthLimit {
 public:
  // Real tokenizers make some ten times the bytes at most: NFKD spells one character of three bytes in 33.
  static constexpr std::size_t kFactor = 64, kFree = std::size_t{64} << 10;
  // A text that is as long as this is refused whatever it was made from.
  static constexpr std::size_t kMost = std::size_t{1} << 30;

  // For everything that is made from `input_bytes` of text.
  explicit GrowthLimit(std::size_t input_bytes, std::size_t most = kMost);

  // A step has made `bytes` so far, or is about to. Throws Error kBadModel when they are too many.
  void check(std::size_t bytes) const;

  // A step is done with a text of `bytes`. Throws as above, also when all steps together made too many.
  void made(std::size_t bytes);

 private:
  std::size_t input_bytes_, most_;
  std::size_t left_;  // for all steps together
};

}  // namespace regroup
