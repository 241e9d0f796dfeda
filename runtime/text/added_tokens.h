// Finds special and user-defined tokens in a text, before anything else happens to it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "runtime/text/prefix_tree.h"
#include "runtime/text/tokenizer_spec.h"

namespace regroup {

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);

  struct Part {
    std::string_view text;
    std::optional<std::uint32_t> id;  // nothing: text between added tokens
  };

  // `text` (valid UTF-8) cut at every added token: leftmost, longest first. Without `special` control tokens stay text.
  std::vector<Part> split(std::string_view text, bool special) const;

 private:
  std::vector<AddedToken> tokens_;
  PrefixTree tree_;  // text to place in tokens_
};

}  // namespace regroup
