// SentencePiece's precompiled character map: which character sequences are replaced by which text before tokenising
// (nmt_nfkc and relatives), stored as a double-array trie followed by the replacement texts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace regroup {

class Charsmap {
 public:
  Charsmap() = default;
  // `blob` as SentencePiece stores it; empty: nothing is replaced. Throws Error kBadModel when its sizes contradict
  // each other.
  explicit Charsmap(const std::vector<std::uint8_t>& blob);

  struct Replacement {
    std::size_t matched_bytes;
    std::string_view text;  // points into this map
  };

  // The longest (or shortest) entry that is a prefix of text[at..].
  std::optional<Replacement> longest_prefix(std::string_view text, std::size_t at) const {
    return find(text, at, true);
  }
  std::optional<Replacement> shortest_prefix(std::string_view text, std::size_t at) const {
    return find(text, at, false);
  }

 private:
  std::optional<Replacement> find(std::string_view text, std::size_t at, bool longest) const;

  std::vector<std::uint32_t> units_;
  std::string texts_;  // each ends in a zero byte
};

}  // namespace regroup
