// A set of strings that answers "which of them start here?": added tokens, unigram pieces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace regroup {

class PrefixTree {
 public:
  PrefixTree() = default;
  // Texts with the value each stands for; empty texts are left out, of equal texts the last one wins.
  explicit PrefixTree(std::vector<std::pair<std::string, std::uint32_t>> entries);

  bool empty() const { return nodes_.empty(); }

  // Calls found(length_bytes, value) for every entry that is a prefix of text[at..], shortest first.
  template <typename Found>
  void each_prefix(std::string_view text, std::size_t at, Found&& found) const {
    if (nodes_.empty()) return;
    std::uint32_t node = 0;
    for (std::size_t i = at; i < text.size(); ++i) {
      node = child(node, static_cast<unsigned char>(text[i]));
      if (node == 0) return;
      if (nodes_[node].value != kNone) found(i + 1 - at, nodes_[node].value);
    }
  }

  // Whether an entry starts with byte `byte`: a cheap test before each_prefix.
  bool can_start_with(unsigned char byte) const { return !nodes_.empty() && child(0, byte) != 0; }

 private:
  static constexpr std::uint32_t kNone = 0xffffffff;
  struct Node {
    std::uint32_t first_edge = 0, edges = 0;
    std::uint32_t value = kNone;
  };

  // The node behind `byte`, 0 when there is none (the root is nobody's child).
  std::uint32_t child(std::uint32_t node, unsigned char byte) const;

  std::vector<Node> nodes_;
  std::vector<unsigned char> edge_bytes_;  // sorted within a node; edge e leads to node e + 1
};

}  // namespace regroup
