// The second stage of a tokenizer: cuts normalised text into the pieces that the model sees one by one.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/growth_limit.h"
#include "runtime/text/regex.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

class PreTokenizer {
 public:
  // Throws Error kBadModel for a pattern that cannot be compiled, or too many steps.
  explicit PreTokenizer(const std::vector<PreTokenizerStep>& steps);

  // Pieces point into the text they were cut from, or into `texts` when a step rewrote it.
  struct Pieces {
    std::vector<std::string_view> pieces;
    std::deque<std::string> texts;
  };

  // `text` (valid UTF-8) must outlive the result. `first`: it begins where the whole text begins. Thread-safe. Throws
  // Error kBadModel when the pieces grow past `limit`.
  Pieces apply(std::string_view text, bool first, GrowthLimit& limit) const;

 private:
  struct Compiled {
    PreTokenizerStep step;
    std::optional<Regex> regex;
  };

  std::vector<Compiled> steps_;
};

}  // namespace regroup
