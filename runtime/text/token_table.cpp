#include "runtime/text/token_table.h"

#include <algorithm>
#include <bit>
#include <functional>

#include "runtime/core/error.h"

namespace regroup {

TokenTable::TokenTable(const std::vector<std::string>& tokens) : tokens_(&tokens) {
  slots_.assign(std::bit_ceil(tokens.size() * 2 + 2), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t id = 0; id < tokens.size(); ++id) {
    const std::string& text = tokens[id];
    if (text.empty()) continue;
    longest_bytes_ = std::max(longest_bytes_, text.size());
    std::size_t slot = std::hash<std::string_view>{}(text)&mask;
    for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
      if (tokens[slots_[slot] - 1] == text) {
        throw_error(ErrorCode::kBadModel,
                    "tokenizer: tokens {} and {} are both \"{}\"; the file is damaged, fetch it again",
                    slots_[slot] - 1, id, escaped(text));
      }
    }
    slots_[slot] = static_cast<std::uint32_t>(id + 1);
  }
}

std::optional<std::uint32_t> TokenTable::find(std::string_view text) const {
  if (text.empty() || text.size() > longest_bytes_) return std::nullopt;
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = std::hash<std::string_view>{}(text)&mask; slots_[slot] != 0; slot = (slot + 1) & mask) {
    if ((*tokens_)[slots_[slot] - 1] == text) return slots_[slot] - 1;
  }
  return std::nullopt;
}

}  // namespace regroup
