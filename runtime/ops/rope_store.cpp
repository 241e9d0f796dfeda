#include "runtime/ops/rope_store.h"

#include <algorithm>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "shaders/position/rope_store.h"

namespace regroup {
namespace {

// The heads of one dispatch: rows in one buffer, keys and values for one slice of the cache.
struct Part {
  BufferView activations;
  bool q = false, k = false, v = false;
};

// One part where q, k and v share a buffer, which is what models do; otherwise one for each.
std::vector<Part> parts(const RopeStore& op) {
  const BufferView views[3] = {op.q.buffer, op.k.buffer, op.v.buffer};
  if (views[0].buffer != views[1].buffer || views[1].buffer != views[2].buffer) {
    return {{views[0], true, false, false}, {views[1], false, true, false}, {views[2], false, false, true}};
  }
  std::uint64_t begin = views[0].offset_bytes, end = 0;
  for (const BufferView& view : views) {
    begin = std::min(begin, view.offset_bytes);
    end = std::max(end, view.offset_bytes + view.size_bytes);
  }
  return {{BufferView(*views[0].buffer, begin, end - begin), true, true, true}};
}

// Offset of `rows` from the start of `view` of the same buffer, in chunks of four.
std::uint32_t offset_in(const BufferView& view, const Activations& rows) {
  return rows.offset / 4 + static_cast<std::uint32_t>((rows.buffer.offset_bytes - view.offset_bytes) / 16);
}

void check(const RopeStore& op) {
  const std::uint32_t groups = op.cache.groups;
  REGROUP_CHECK(op.sequences.first + (op.sequences.one_token_each ? op.tokens : 1) <= op.cache.sequences);
  REGROUP_CHECK(op.head_dim > 0 && op.head_dim <= 256 && op.cache.head_dim == op.head_dim);
  REGROUP_CHECK(op.rotary_dims % 2 == 0 && op.rotary_dims <= op.head_dim);
  const bool quantised = op.cache.type == CacheType::kQ8_0 || op.cache.type == CacheType::kQ4_0;
  const std::uint32_t multiple = quantised ? 32 : op.cache.type == CacheType::kF16 ? 8 : 4;
  REGROUP_CHECK(op.head_dim % multiple == 0);
  check_rows(op.q, op.tokens, op.query_heads * op.head_dim);
  check_rows(op.k, op.tokens, groups * op.head_dim);
  check_rows(op.v, op.tokens, groups * op.head_dim);
  REGROUP_CHECK(op.positions && op.positions.size_bytes >= op.tokens * std::uint64_t{4} && op.rope_table);
  REGROUP_CHECK(static_cast<bool>(op.q_norm_gain) == static_cast<bool>(op.k_norm_gain));
  REGROUP_CHECK(!op.q_norm_gain || std::min(op.q_norm_gain.size_bytes, op.k_norm_gain.size_bytes) >= op.head_dim * 4);
}

}  // namespace

void record(CommandList& list, const KernelProfile& profile, const RopeStore& op) {
  check(op);
  const std::uint32_t blocks = (op.head_dim + 31) / 32;
  // As many heads as fill the lanes; a head is never split over workgroups.
  const std::uint32_t heads_per_workgroup = std::max(1u, profile.lanes / blocks);
  const shader::RopeStoreConstants constants{.workgroup_size = heads_per_workgroup * blocks,
                                             .heads_per_workgroup = heads_per_workgroup,
                                             .head_dim = op.head_dim};
  const Kernel& kernel =
      list.device().kernel(fmt::format("rope_store{}{}_{}", op.layout == RopeLayout::kHalfSplit ? "_half_split" : "",
                                       op.q_norm_gain ? "_norm" : "", cache_type_name(op.cache.type)),
                           as_words(constants));

  for (const Part& part : parts(op)) {
    for (const KvCacheSlice& slice : op.cache.slices) {
      const SliceTokens served = slice_tokens(slice, op.sequences, op.tokens);
      const KvCacheLayout& layout = slice.layout;
      const std::uint32_t groups = slice.groups_per_sequence();
      const std::uint32_t first_chunk = slice.first_group * op.head_dim / 4;
      // Where a sequence's groups lie in several slices, the first takes the queries.
      const shader::RopeStorePush push{.query_heads = part.q && slice.first_group == 0 ? op.query_heads : 0,
                                       .key_heads = part.k ? groups : 0,
                                       .value_heads = part.v ? groups : 0,
                                       .planes = op.rotary_dims / 2,
                                       .q_offset = part.q ? offset_in(part.activations, op.q) : 0,
                                       .q_stride = op.q.stride / 4,
                                       .k_offset = part.k ? offset_in(part.activations, op.k) + first_chunk : 0,
                                       .k_stride = op.k.stride / 4,
                                       .v_offset = part.v ? offset_in(part.activations, op.v) + first_chunk : 0,
                                       .v_stride = op.v.stride / 4,
                                       .capacity = layout.capacity,
                                       .v_at = static_cast<std::uint32_t>(layout.v_offset() / 4),
                                       .k_scales_at = static_cast<std::uint32_t>(layout.k_scale_offset() / 4),
                                       .v_scales_at = static_cast<std::uint32_t>(layout.v_scale_offset() / 4),
                                       .epsilon = op.norm_epsilon,
                                       .first_token = served.first_token,
                                       .first_row = served.first_row,
                                       .token_rows = op.sequences.one_token_each ? groups : 0};
      const std::uint32_t heads = push.query_heads + push.key_heads + push.value_heads;
      if (heads == 0 || served.count == 0) continue;
      const double elements = double{1} * served.count * heads * op.head_dim;
      list.dispatch(kernel,
                    {{0, whole_chunks(part.activations)},
                     {1, op.rope_table},
                     {2, op.positions},
                     {3, slice.buffer},
                     {4, whole_chunks(op.q_norm_gain)},
                     {5, whole_chunks(op.k_norm_gain)}},
                    as_words(push), {.x = (heads + heads_per_workgroup - 1) / heads_per_workgroup, .y = served.count},
                    {.bytes = 12 * elements, .flops = 20 * elements}, "rope_store");
    }
  }
}

}  // namespace regroup
