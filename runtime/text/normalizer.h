// The first stage of a tokenizer: rewrites the text (spaces, normal forms, replacements).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/text/charsmap.h"
#include "runtime/text/growth_limit.h"
#include "runtime/text/regex.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

class Normalizer {
 public:
  // Throws Error kBadModel for a step that cannot be compiled, or too many of them.
  explicit Normalizer(const std::vector<NormalizerStep>& steps);

  // `text` is valid UTF-8, and so is the result; `first`: nothing of the whole text stands in front of it.
  // Thread-safe. Throws Error kBadModel when it grows past `limit`.
  std::string apply(std::string_view text, bool first, GrowthLimit& limit) const;

 private:
  struct Compiled {
    NormalizerStep step;
    std::optional<Regex> regex;
    Charsmap charsmap;
  };
  static std::string apply_step(const Compiled& compiled, std::string text, bool first, const GrowthLimit& limit);

  std::vector<Compiled> steps_;
};

}  // namespace regroup
