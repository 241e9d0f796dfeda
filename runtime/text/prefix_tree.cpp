#include "runtime/text/prefix_tree.h"

#include <algorithm>
#include <deque>

namespace regroup {

PrefixTree::PrefixTree(std::vector<std::pair<std::string, std::uint32_t>> entries) {
  std::erase_if(entries, [](const auto& entry) { return entry.first.empty(); });
  if (entries.empty()) return;
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });

  // Breadth first: a node is a range of the sorted entries that share `depth` bytes. Nodes are numbered in the order in
  // which their edges are made, so that edge e leads to node e + 1.
  struct Range {
    std::size_t begin, end, depth;
  };
  std::deque<Range> ranges{{0, entries.size(), 0}};  // of the nodes that are still to be made
  for (; !ranges.empty(); ranges.pop_front()) {
    const Range range = ranges.front();
    Node node;
    std::size_t at = range.begin;
    for (; at < range.end && entries[at].first.size() == range.depth; ++at) node.value = entries[at].second;
    node.first_edge = static_cast<std::uint32_t>(edge_bytes_.size());
    while (at < range.end) {
      const char byte = entries[at].first[range.depth];
      std::size_t end = at + 1;
      while (end < range.end && entries[end].first[range.depth] == byte) ++end;
      edge_bytes_.push_back(static_cast<unsigned char>(byte));
      ranges.push_back({at, end, range.depth + 1});
      at = end;
    }
    node.edges = static_cast<std::uint32_t>(edge_bytes_.size()) - node.first_edge;
    nodes_.push_back(node);
  }
}

std::uint32_t PrefixTree::child(std::uint32_t node, unsigned char byte) const {
  const auto begin = edge_bytes_.begin() + nodes_[node].first_edge;
  const auto end = begin + nodes_[node].edges;
  const auto found = std::lower_bound(begin, end, byte);
  if (found == end || *found != byte) return 0;
  return static_cast<std::uint32_t>(found - edge_bytes_.begin()) + 1;
}

}  // namespace regroup
