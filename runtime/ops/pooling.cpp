#include "runtime/ops/pooling.h"

#include <algorithm>
#include <bit>

#include "runtime/core/error.h"
#include "shaders/pooling/pool_cache.h"
#include "shaders/pooling/pool_weights.h"

namespace regroup {
namespace {

// One target's terms in their order; factors that are all equal are taken out of the sum.
struct TargetTerms {
  std::vector<PoolTerm> terms;
  float closing = 1.0f;
};

std::vector<TargetTerms> by_target(std::span<const PoolTerm> terms, std::uint32_t groups) {
  std::vector<TargetTerms> targets(groups);
  for (const PoolTerm& term : terms) {
    REGROUP_CHECK(term.target < groups);
    targets[term.target].terms.push_back(term);
  }
  for (TargetTerms& target : targets) {
    REGROUP_CHECK(!target.terms.empty());
    const float first = target.terms.front().factor;
    if (!std::all_of(target.terms.begin(), target.terms.end(), [&](const PoolTerm& t) { return t.factor == first; }))
      continue;
    target.closing = first;
    for (PoolTerm& term : target.terms) term.factor = 1.0f;
  }
  return targets;
}

// Enough workgroups for `units` invocations, spread over two dimensions where one is too short.
Groups groups_for(std::uint64_t units, std::uint32_t lanes) {
  constexpr std::uint64_t kLongest = 32768;
  const std::uint64_t count = (units + lanes - 1) / lanes;
  REGROUP_CHECK(count > 0 && units + kLongest * lanes < (std::uint64_t{1} << 32));
  const std::uint64_t x = std::min(count, kLongest);
  return {.x = static_cast<std::uint32_t>(x), .y = static_cast<std::uint32_t>((count + x - 1) / x)};
}

bool overlap(std::uint32_t a, std::uint32_t a_count, std::uint32_t b, std::uint32_t b_count) {
  return a < b + b_count && b < a + a_count;
}

// Whether a term number in [first, last) of any target reads rows of this slice.
bool needs_slice(const PoolWeights& op, std::span<const TargetTerms> targets, const WeightSlice& slice,
                 std::size_t first, std::size_t last) {
  return std::any_of(targets.begin(), targets.end(), [&](const TargetTerms& target) {
    for (std::size_t i = first; i < std::min(last, target.terms.size()); ++i) {
      if (overlap(target.terms[i].source * op.head_dim, op.head_dim, slice.first_row, slice.rows)) return true;
    }
    return false;
  });
}

}  // namespace

std::uint64_t pool_terms_bytes(std::size_t term_count, std::uint32_t groups) {
  return (2 * std::uint64_t{groups} + 1 + 2 * term_count) * 4;
}

std::vector<std::uint32_t> encode_pool_terms(std::span<const PoolTerm> terms, std::uint32_t groups) {
  const std::vector<TargetTerms> targets = by_target(terms, groups);
  std::vector<std::uint32_t> words;
  std::uint32_t first = 0;
  for (const TargetTerms& target : targets) {
    words.push_back(first);
    first += static_cast<std::uint32_t>(target.terms.size());
  }
  words.push_back(first);
  for (const TargetTerms& target : targets) words.push_back(std::bit_cast<std::uint32_t>(target.closing));
  for (const TargetTerms& target : targets) {
    for (const PoolTerm& term : target.terms) {
      words.push_back(term.source);
      words.push_back(std::bit_cast<std::uint32_t>(term.factor));
    }
  }
  return words;
}

void pool_rows_on_host(std::span<const PoolTerm> terms, std::uint32_t groups, std::uint32_t head_dim,
                       std::uint32_t columns, std::span<const float> source, std::span<float> out) {
  const std::size_t head_size = std::size_t{head_dim} * columns;
  REGROUP_CHECK(out.size() == groups * head_size && source.size() % std::max<std::size_t>(head_size, 1) == 0);
  const std::vector<TargetTerms> targets = by_target(terms, groups);
  for (std::size_t g = 0; g < groups; ++g) {
    const std::span<float> target = out.subspan(g * head_size, head_size);
    for (std::size_t i = 0; i < targets[g].terms.size(); ++i) {
      const PoolTerm& term = targets[g].terms[i];
      REGROUP_CHECK((term.source + std::size_t{1}) * head_size <= source.size());
      const std::span<const float> head = source.subspan(term.source * head_size, head_size);
      for (std::size_t k = 0; k < head_size; ++k) {
        const float product = term.factor * head[k];
        target[k] = i == 0 ? product : target[k] + product;
      }
    }
    for (float& value : target) value *= targets[g].closing;
  }
}

void record(CommandList& list, const KernelProfile& profile, const PoolWeights& op) {
  const WeightMatrix& source = op.source;
  const WeightMatrix& target = op.target;
  REGROUP_CHECK(op.head_dim > 0 && source.rows % op.head_dim == 0 && target.rows % op.head_dim == 0);
  REGROUP_CHECK(target.format == WeightFormat::kF32 && source.panel_rows == target.panel_rows &&
                source.columns == target.columns);
  const std::uint32_t groups = target.rows / op.head_dim;
  REGROUP_CHECK(op.terms_buffer && op.terms_buffer.size_bytes >= pool_terms_bytes(op.terms.size(), groups));
  const std::vector<TargetTerms> targets = by_target(op.terms, groups);
  std::size_t most_terms = 0;
  for (const TargetTerms& terms : targets) {
    most_terms = std::max(most_terms, terms.terms.size());
    for (const PoolTerm& term : terms.terms)
      REGROUP_CHECK((term.source + std::uint64_t{1}) * op.head_dim <= source.rows);
  }

  const shader::PoolWeightsConstants constants{
      .workgroup_size = profile.lanes, .panel_rows = source.panel_rows, .head_dim = op.head_dim};
  const Kernel& kernel =
      list.device().kernel(fmt::format("pool_weights_{}", format_info(source.format).name), as_words(constants));
  const std::uint32_t blocks = source.layout().blocks();
  // One dispatch adds all terms where one buffer holds the source; otherwise one term after the other, so that the
  // order stays.
  const std::size_t step = source.slices.size() == 1 ? most_terms : 1;
  for (std::size_t first = 0; first < most_terms; first += step) {
    for (const WeightSlice& from : source.slices) {
      if (!needs_slice(op, targets, from, first, first + step)) continue;
      for (const WeightSlice& to : target.slices) {
        const shader::PoolWeightsPush push{.source_first_row = from.first_row,
                                           .source_rows = from.rows,
                                           .source_skip_rows = from.skip_panels * source.panel_rows,
                                           .target_first_row = to.first_row,
                                           .target_rows = to.rows,
                                           .target_skip_rows = to.skip_panels * target.panel_rows,
                                           .blocks = blocks,
                                           .groups = groups,
                                           .first_term = static_cast<std::uint32_t>(first),
                                           .last_term = static_cast<std::uint32_t>(first + step)};
        const std::uint64_t panels = (to.rows + target.panel_rows - 1) / target.panel_rows;
        const double elements = static_cast<double>(to.rows) * source.columns;
        list.dispatch(
            kernel, {{0, from.panels}, {1, to.panels}, {2, op.terms_buffer}}, as_words(push),
            groups_for(panels * target.panel_rows * blocks, profile.lanes),
            {.bytes = elements * 4 * static_cast<double>(step + 1), .flops = elements * 4 * static_cast<double>(step)},
            "pool_weights");
      }
    }
  }
}

void record(CommandList& list, const KernelProfile& profile, const PoolCache& op) {
  const KvCacheLayer& source = op.source;
  const KvCacheLayer& target = op.target;
  REGROUP_CHECK(source.head_dim == target.head_dim && source.head_dim % 4 == 0);
  REGROUP_CHECK(op.count <= source.capacity && op.count <= target.capacity);
  REGROUP_CHECK(source.sequences == 1 && target.sequences == 1);
  REGROUP_CHECK(op.terms_buffer && op.terms_buffer.size_bytes >= pool_terms_bytes(op.terms.size(), target.groups));
  for (const PoolTerm& term : op.terms) REGROUP_CHECK(term.target < target.groups && term.source < source.groups);
  if (op.count == 0) return;
  const shader::PoolCacheConstants constants{.workgroup_size = profile.lanes, .head_dim = source.head_dim};
  const Kernel& kernel = list.device().kernel(
      fmt::format("pool_cache_{}_{}", cache_type_name(source.type), cache_type_name(target.type)), as_words(constants));
  const std::uint32_t blocks = (source.head_dim + 31) / 32;
  const auto words = [](std::uint64_t bytes) { return static_cast<std::uint32_t>(bytes / 4); };
  for (const KvCacheSlice& to : target.slices) {
    for (const KvCacheSlice& from : source.slices) {
      const shader::PoolCachePush push{.source_first_group = from.first_group,
                                       .source_groups = from.layout.groups,
                                       .source_capacity = from.layout.capacity,
                                       .source_v_at = words(from.layout.v_offset()),
                                       .source_k_scales_at = words(from.layout.k_scale_offset()),
                                       .source_v_scales_at = words(from.layout.v_scale_offset()),
                                       .target_first_group = to.first_group,
                                       .target_groups = to.layout.groups,
                                       .target_capacity = to.layout.capacity,
                                       .target_v_at = words(to.layout.v_offset()),
                                       .target_k_scales_at = words(to.layout.k_scale_offset()),
                                       .target_v_scales_at = words(to.layout.v_scale_offset()),
                                       .all_groups = target.groups,
                                       .count = op.count};
      const double elements = 2.0 * op.count * source.head_dim * static_cast<double>(op.terms.size());
      list.dispatch(kernel, {{0, from.buffer}, {1, to.buffer}, {2, op.terms_buffer}}, as_words(push),
                    groups_for(std::uint64_t{2} * to.layout.groups * op.count * blocks, profile.lanes),
                    {.bytes = 8 * elements, .flops = 4 * elements}, "pool_cache");
    }
  }
}

}  // namespace regroup
