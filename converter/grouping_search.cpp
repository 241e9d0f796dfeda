#include "converter/grouping_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "runtime/core/error.h"

namespace regroup {
namespace {

using Heads = std::vector<std::uint32_t>;
using Partition = std::vector<Heads>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kMostExactHeads = 20;  // the exact search keeps a number for every set of heads

class RememberedCost {
 public:
  explicit RememberedCost(const GroupCost& cost) : cost_(cost) {}

  double operator()(Heads heads) {
    std::sort(heads.begin(), heads.end());
    const auto found = costs_.find(heads);
    if (found != costs_.end()) return found->second;
    const double cost = cost_(heads);
    REGROUP_CHECK(std::isfinite(cost));
    return costs_.emplace(std::move(heads), cost).first->second;
  }
  double operator()(const Partition& partition) {
    double sum = 0;
    for (const Heads& group : partition) sum += (*this)(group);
    return sum;
  }
  std::size_t evaluations() const { return costs_.size(); }

 private:
  const GroupCost& cost_;
  std::map<Heads, double> costs_;
};

double choose(std::uint32_t n, std::uint32_t k) {
  double out = 1;
  for (std::uint32_t i = 1; i <= k; ++i) out = out * (n - k + i) / i;
  return out;
}

// Calls `visit` with every set of `size` heads of `all` that holds the first of `all`.
template <typename Visit>
void for_each_group_of_first(const Heads& all, std::uint32_t size, const Visit& visit) {
  std::vector<std::size_t> at(size);  // positions in `all`, ascending, at[0] = 0
  for (std::size_t i = 0; i < size; ++i) at[i] = i;
  Heads group(size);
  for (;;) {
    for (std::size_t i = 0; i < size; ++i) group[i] = all[at[i]];
    visit(group);
    std::size_t i = size;
    while (i > 1 && at[i - 1] == all.size() - size + i - 1) --i;
    if (i <= 1) return;
    ++at[i - 1];
    for (std::size_t j = i; j < size; ++j) at[j] = at[j - 1] + 1;
  }
}

// The best partition by dynamic programming over sets of placed heads: the lowest head that is not placed joins each
// group that it can.
Partition exact_partition(std::uint32_t n, std::uint32_t size, RememberedCost& cost) {
  struct Best {
    double cost = kInfinity;
    std::uint32_t group = 0;  // placed last
  };
  const std::uint32_t everything = (1u << n) - 1;
  std::vector<Best> best(std::size_t{1} << n);
  best[0].cost = 0;
  for (std::uint32_t placed = 0; placed < everything; ++placed) {
    if (best[placed].cost == kInfinity) continue;
    Heads left;
    for (std::uint32_t head = 0; head < n; ++head) {
      if ((placed >> head & 1u) == 0) left.push_back(head);
    }
    for_each_group_of_first(left, size, [&](const Heads& group) {
      std::uint32_t bits = 0;
      for (const std::uint32_t head : group) bits |= 1u << head;
      Best& next = best[placed | bits];
      const double sum = best[placed].cost + cost(group);
      if (sum < next.cost) next = {sum, bits};
    });
  }
  Partition out;
  for (std::uint32_t placed = everything; placed != 0; placed &= ~best[placed].group) {
    Heads& group = out.emplace_back();
    for (std::uint32_t head = 0; head < n; ++head) {
      if ((best[placed].group >> head & 1u) != 0) group.push_back(head);
    }
  }
  return out;
}

// Costs of pairs, and of larger groups as the mean over their pairs times their size: a guide where trying all groups
// would take too long.
class PairCosts {
 public:
  PairCosts(std::uint32_t n, RememberedCost& cost) : n_(n), costs_(std::size_t{n} * n) {
    for (std::uint32_t a = 0; a < n; ++a) {
      for (std::uint32_t b = a + 1; b < n; ++b) costs_[a * n + b] = costs_[b * n + a] = cost(Heads{a, b});
    }
  }
  double operator()(std::uint32_t a, std::uint32_t b) const { return costs_[std::size_t{a} * n_ + b]; }
  // Of `head` with all of `group` but `except`.
  double with(std::uint32_t head, const Heads& group, std::uint32_t except) const {
    double sum = 0;
    for (const std::uint32_t other : group) {
      if (other != except) sum += (*this)(head, other);
    }
    return sum;
  }
  double within(const Partition& partition) const {
    double sum = 0;
    for (const Heads& group : partition) {
      for (const std::uint32_t head : group) sum += with(head, group, head) / 2;
    }
    return sum;
  }

 private:
  std::size_t n_;
  std::vector<double> costs_;
};

// One group after the other: begun by the head that fits the others worst, filled with those that fit it best.
Partition greedy_partition(std::uint32_t n, std::uint32_t size, const PairCosts& pairs) {
  Heads left;
  for (std::uint32_t head = 0; head < n; ++head) left.push_back(head);
  const auto take = [&](Heads::iterator at) {
    const std::uint32_t head = *at;
    left.erase(at);
    return head;
  };
  Partition out;
  while (!left.empty()) {
    Heads group = {take(std::max_element(left.begin(), left.end(), [&](std::uint32_t a, std::uint32_t b) {
      return pairs.with(a, left, a) < pairs.with(b, left, b);
    }))};
    while (group.size() < size) {
      group.push_back(take(std::min_element(left.begin(), left.end(), [&](std::uint32_t a, std::uint32_t b) {
        return pairs.with(a, group, n) < pairs.with(b, group, n);
      })));
    }
    out.push_back(std::move(group));
  }
  return out;
}

// An exchange of the heads partition[first][i] and partition[second][j].
struct Swap {
  double gain = 0;  // by pair costs
  std::size_t first = 0, i = 0, second = 0, j = 0;
};

std::vector<Swap> all_swaps(const Partition& partition, const PairCosts& pairs) {
  std::vector<Swap> out;
  for (std::size_t a = 0; a < partition.size(); ++a) {
    for (std::size_t b = a + 1; b < partition.size(); ++b) {
      for (std::size_t i = 0; i < partition[a].size(); ++i) {
        for (std::size_t j = 0; j < partition[b].size(); ++j) {
          const std::uint32_t x = partition[a][i], y = partition[b][j];
          const double before = pairs.with(x, partition[a], x) + pairs.with(y, partition[b], y);
          const double after = pairs.with(y, partition[a], x) + pairs.with(x, partition[b], y);
          out.push_back({before - after, a, i, b, j});
        }
      }
    }
  }
  return out;
}

void apply(const Swap& swap, Partition& partition) {
  std::swap(partition[swap.first][swap.i], partition[swap.second][swap.j]);
}

// Exchanges heads while that lowers the sum over pairs, the best exchange first.
Partition improved_by_pairs(Partition partition, const PairCosts& pairs) {
  const double least = 1e-12 * std::abs(pairs.within(partition));  // what rounding may feign
  for (;;) {
    const std::vector<Swap> swaps = all_swaps(partition, pairs);
    const auto best =
        std::max_element(swaps.begin(), swaps.end(), [](const Swap& a, const Swap& b) { return a.gain < b.gain; });
    if (best == swaps.end() || best->gain <= least) return partition;
    apply(*best, partition);
  }
}

// Tries exchanges by the true cost, the most promising first, until none helps or `most` groups were tried.
Partition improved_by_cost(Partition partition, const PairCosts& pairs, RememberedCost& cost, std::size_t most) {
  cost(partition);  // so that an exchange asks for two groups at most
  const std::size_t last = cost.evaluations() + most;
  for (bool changed = true; changed;) {
    changed = false;
    std::vector<Swap> swaps = all_swaps(partition, pairs);
    std::stable_sort(swaps.begin(), swaps.end(), [](const Swap& a, const Swap& b) { return a.gain > b.gain; });
    for (const Swap& swap : swaps) {
      if (cost.evaluations() + 2 > last) return partition;
      const double before = cost(partition[swap.first]) + cost(partition[swap.second]);
      apply(swap, partition);
      if (cost(partition[swap.first]) + cost(partition[swap.second]) < before * (1 - 1e-12)) {
        changed = true;
        break;
      }
      apply(swap, partition);
    }
  }
  return partition;
}

HeadGroups in_order(Partition partition) {
  for (Heads& group : partition) std::sort(group.begin(), group.end());
  std::sort(partition.begin(), partition.end());
  return {std::move(partition)};
}

}  // namespace

HeadGroups best_grouping(std::uint32_t kv_heads, std::uint32_t groups, const GroupCost& cost,
                         const GroupingEffort& effort) {
  const HeadGroups contiguous = HeadGroups::contiguous(kv_heads, groups);
  if (groups == kv_heads || groups == 1) return contiguous;  // there is no other
  const std::uint32_t size = kv_heads / groups;
  RememberedCost remembered(cost);
  Partition best;
  if (kv_heads <= kMostExactHeads && choose(kv_heads, size) <= effort.most_exhaustive) {
    best = exact_partition(kv_heads, size, remembered);
  } else {
    const PairCosts pairs(kv_heads, remembered);
    best = improved_by_pairs(greedy_partition(kv_heads, size, pairs), pairs);
    const Partition other = improved_by_pairs(contiguous.groups, pairs);
    if (pairs.within(other) < pairs.within(best)) best = other;
    if (size > 2) best = improved_by_cost(std::move(best), pairs, remembered, effort.most_refining);
  }
  return remembered(contiguous.groups) <= remembered(best) ? contiguous : in_order(std::move(best));
}

}  // namespace regroup
