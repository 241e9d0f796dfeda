// From a token's text to its id: an open-addressing table over strings that live elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup {

class TokenTable {
 public:
  // `tokens` must outlive the table; empty strings are left out. Throws Error kBadModel when two ids have the same
  // text.
  explicit TokenTable(const std::vector<std::string>& tokens);

  std::optional<std::uint32_t> find(std::string_view text) const;

 private:
  const std::vector<std::string>* tokens_;
  std::vector<std::uint32_t> slots_;  // id + 1, 0 is free; a power of two of them
  std::size_t longest_bytes_ = 0;
};

}  // namespace regroup
