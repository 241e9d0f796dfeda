#include "converter/pooled_heads.h"

#include "converter/merge.h"

namespace regroup {
namespace {

template <typename Heads>
Heads pooled(const Heads& heads, const std::vector<PoolTerm>& terms, std::uint32_t groups, std::uint32_t head_dim) {
  if (heads.size() == 0) return heads;
  Heads out(groups * head_dim, heads.cols());
  pool_rows_on_host(terms, groups, head_dim, static_cast<std::uint32_t>(heads.cols()),
                    {heads.data(), static_cast<std::size_t>(heads.size())},
                    {out.data(), static_cast<std::size_t>(out.size())});
  return out;
}

}  // namespace

AttentionLayer pool_heads(const AttentionLayer& source, const HeadGroups& groups, const std::vector<PoolTerm>& terms) {
  AttentionLayer out = with_query_order(source, groups);
  out.kv_heads = groups.count();
  out.key = pooled(source.key, terms, out.kv_heads, source.head_dim);
  out.value = pooled(source.value, terms, out.kv_heads, source.head_dim);
  out.key_bias = pooled(source.key_bias, terms, out.kv_heads, source.head_dim);
  out.value_bias = pooled(source.value_bias, terms, out.kv_heads, source.head_dim);
  return out;
}

std::vector<PoolTerm> mean_terms(const HeadGroups& groups) {
  std::vector<PoolTerm> terms;
  const float factor = 1.0f / static_cast<float>(groups.group_size());
  for (std::uint32_t g = 0; g < groups.count(); ++g) {
    for (const std::uint32_t head : groups.groups[g]) terms.push_back({g, head, factor});
  }
  return terms;
}

}  // namespace regroup
