#include "converter/merge.h"

#include <algorithm>

#include "runtime/core/error.h"

namespace regroup {

#define REGROUP_MERGE(name) const MergeMethod& name##_merge();
#include "converter/merges.def"
#undef REGROUP_MERGE

const std::vector<const MergeMethod*>& merge_methods() {
  static const std::vector<const MergeMethod*> all = {
#define REGROUP_MERGE(name) &name##_merge(),
#include "converter/merges.def"
#undef REGROUP_MERGE
  };
  return all;
}

const MergeMethod& merge_method_named(std::string_view name) {
  std::vector<std::string_view> known;
  for (const MergeMethod* method : merge_methods()) {
    known.push_back(method->name);
    if (method->name == name) return *method;
  }
  throw_error(ErrorCode::kUsage, "unknown merge method '{}'; known are {} and auto", escaped(name),
              fmt::join(known, ", "));
}

std::optional<std::string> refusal(const MergeMethod& method, const AttentionLayer& layer) {
  if (layer.qk_norm && method.changes_queries) {
    return fmt::format(
        "{} folds rotations of the keys into the queries, which the per-head norms of this model's "
        "queries and keys do not allow",
        method.name);
  }
  if (layer.partly_biased && method.needs == MergeNeeds::kActivations) {
    return fmt::format(
        "{} refits biases together with weights, and only some of its queries, keys and values have biases",
        method.name);
  }
  return std::nullopt;
}

void check_cancelled(const MergeInput& input) {
  if (cancelled(input.cancel)) throw_error(ErrorCode::kInterrupted, "stopped while merging layer {}", input.layer);
}

AttentionLayer with_query_order(const AttentionLayer& source, const HeadGroups& groups) {
  AttentionLayer out = source;
  if (groups.is_contiguous()) return out;
  const Eigen::Index head_dim = source.head_dim;
  const std::vector<std::uint32_t> order = groups.query_order(source.queries_per_kv_head());
  REGROUP_CHECK(order.size() == source.query_heads);
  for (std::size_t to = 0; to < order.size(); ++to) {
    const Eigen::Index t = static_cast<Eigen::Index>(to) * head_dim, f = order[to] * head_dim;
    out.query.middleRows(t, head_dim) = source.query.middleRows(f, head_dim);
    out.output.middleCols(t, head_dim) = source.output.middleCols(f, head_dim);
    if (source.query_bias.size() > 0) out.query_bias.segment(t, head_dim) = source.query_bias.segment(f, head_dim);
  }
  return out;
}

}  // namespace regroup
