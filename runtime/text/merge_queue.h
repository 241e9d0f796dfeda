// The loop that both kinds of byte-pair encoding share: join the best neighbouring pair until none is left, in O(n log
// n).
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <string_view>
#include <vector>

namespace regroup {

inline constexpr std::uint32_t kNoSymbol = 0xffffffff;

struct Symbol {
  std::uint32_t id;           // token id; kNoSymbol when no token spells this
  std::uint32_t begin, size;  // bytes of the piece; size 0: joined to its left neighbour
  std::uint32_t previous = kNoSymbol, next = kNoSymbol;
};

struct Joined {
  double cost;  // the lowest is joined first; of equal ones the leftmost
  std::uint32_t id;
};

inline void append_symbol(std::vector<Symbol>& symbols, std::uint32_t id, std::size_t begin, std::size_t size) {
  const auto index = static_cast<std::uint32_t>(symbols.size());
  Symbol symbol{id, static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(size)};
  if (index > 0) {
    symbol.previous = index - 1;
    symbols.back().next = index;
  }
  symbols.push_back(symbol);
}

// join(left, right) gives what two neighbouring symbols become (std::optional<Joined>), or nothing when they stay
// apart.
template <typename Join>
void join_neighbours(std::vector<Symbol>& symbols, const Join& join) {
  struct Entry {
    double cost;
    std::uint32_t left, right, size, id;
    bool operator<(const Entry& other) const {  // std::priority_queue serves the greatest
      return cost > other.cost || (cost == other.cost && left > other.left);
    }
  };
  std::priority_queue<Entry> queue;
  const auto consider = [&](std::uint32_t left, std::uint32_t right) {
    if (left == kNoSymbol || right == kNoSymbol) return;
    const std::optional<Joined> joined = join(symbols[left], symbols[right]);
    if (joined) queue.push({joined->cost, left, right, symbols[left].size + symbols[right].size, joined->id});
  };
  for (std::uint32_t i = 1; i < symbols.size(); ++i) consider(i - 1, i);
  while (!queue.empty()) {
    const Entry best = queue.top();
    queue.pop();
    Symbol& left = symbols[best.left];
    Symbol& right = symbols[best.right];
    // Symbols only grow, so that an entry is out of date exactly when one side is gone or the sizes no longer add up.
    if (left.size == 0 || right.size == 0 || left.size + right.size != best.size) continue;
    left.size = best.size;
    left.id = best.id;
    left.next = right.next;
    right.size = 0;
    if (left.next != kNoSymbol) symbols[left.next].previous = best.left;
    consider(left.previous, best.left);
    consider(best.left, left.next);
  }
}

}  // namespace regroup
