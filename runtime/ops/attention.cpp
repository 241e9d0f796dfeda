#include "runtime/ops/attention.h"

#include <algorithm>
#include <array>

#include "runtime/core/error.h"
#include "runtime/ops/attention_plan.h"
#include "runtime/ops/worker_share.h"
#include "shaders/attention/attention_merge.h"
#include "shaders/attention/attention_registers.h"
#include "shaders/attention/attention_shared.h"

namespace regroup {
namespace {

constexpr std::uint32_t kMaxHeadDim = 256;

void check(const Attention& op) {
  REGROUP_CHECK(op.tokens > 0 && op.query_heads > 0 && op.cache.groups > 0 && op.query_heads % op.cache.groups == 0);
  REGROUP_CHECK(op.head_dim == op.cache.head_dim && op.head_dim % 4 == 0 && op.head_dim <= kMaxHeadDim);
  REGROUP_CHECK(op.cache.type != CacheType::kF16 || op.head_dim % 8 == 0);
  REGROUP_CHECK((op.cache.type != CacheType::kQ8_0 && op.cache.type != CacheType::kQ4_0) || op.head_dim % 32 == 0);
  REGROUP_CHECK(op.q.offset % 4 == 0 && op.q.stride % 4 == 0 && op.out.offset % 4 == 0 && op.out.stride % 4 == 0);
  REGROUP_CHECK(op.longest_context >= neighbouring_tokens(op) && op.longest_context <= op.cache.capacity);
  REGROUP_CHECK(op.sequences.first + (op.sequences.one_token_each ? op.tokens : 1) <= op.cache.sequences);
}

// The view with its end moved down to a multiple of 16 bytes, the elements of texel views.
BufferView full_chunks(const BufferView& view) {
  return BufferView(*view.buffer, view.offset_bytes, view.size_bytes / 16 * 16);
}

Work work_of(const Attention& op, const KvCacheSlice& slice, std::uint32_t tokens, const AttentionPlan& plan) {
  const double reach = attention_reach(op, neighbouring_tokens(op));
  const std::uint32_t groups = slice.groups_per_sequence();
  const double rows = reach * groups * plan.head_tiles * ((tokens + plan.tile_tokens - 1) / plan.tile_tokens);
  const double heads = double{1} * op.query_heads / op.cache.groups * groups;
  return {.bytes = 2.0 * rows * slice.layout.value_row_bytes(), .flops = 4.0 * heads * op.head_dim * reach * tokens};
}

// Whether one worker of a CPU driver is done before another that it would have to wake begins. Splits beyond the last
// then fill the other worker's half of the grid; they do nothing.
bool wakes_no_other_worker(const Device& device, const Attention& op, const AttentionPlan& plan,
                           std::uint32_t workgroups) {
  const double rows = double{1} * plan.tile_heads * plan.tile_tokens;
  // Some 16 GFLOP/s on one worker of lavapipe.
  const double flops = 4.0 * rows * op.head_dim * attention_reach(op, plan.tile_tokens) / plan.splits;
  return shared_groups(device.worker_lag_us(), workgroups, 1000 + flops / 16) == 2 * workgroups;
}

std::uint32_t chunk_at(std::uint64_t bytes) {
  return static_cast<std::uint32_t>(bytes / 16);
}

void record_slice(CommandList& list, const Kernel& kernel, const Attention& op, const AttentionPlan& plan,
                  const KvCacheSlice& slice, std::uint32_t first_token, std::uint32_t token_count) {
  // Scratch rows count from `first_token`, so that the tokens of this pass that another slice serves keep theirs.
  CacheSequences pass = op.sequences;
  if (pass.one_token_each) pass.first += first_token;
  const SliceTokens served = slice_tokens(slice, pass, token_count);
  if (served.count == 0) return;
  const KvCacheLayout& layout = slice.layout;
  REGROUP_CHECK(layout.type == op.cache.type && layout.head_dim == op.head_dim &&
                layout.bytes() <= slice.buffer.size_bytes);
  const shader::AttentionPush push = {
      .q_offset = op.q.offset,
      .q_stride = op.q.stride,
      .out_offset = op.out.offset,
      .out_stride = op.out.stride,
      .first_token = first_token,
      .token_count = token_count,
      .first_sequence = served.first_token,
      .first_row = served.first_row,
      .groups = slice.groups_per_sequence(),
      .first_group = slice.first_group,
      .heads_per_group = op.query_heads / op.cache.groups,
      .query_heads = op.query_heads,
      .head_tiles = plan.head_tiles,
      .splits = plan.splits,
      .capacity = layout.capacity,
      .v_chunk = chunk_at(layout.v_offset()),
      .k_scale_chunk = chunk_at(layout.k_scale_offset()),
      .v_scale_chunk = chunk_at(layout.v_scale_offset()),
      .window = op.window < op.longest_context ? op.window : 0,
      .scale = op.scale,
      .soft_cap = op.soft_cap,
      .head_dim = op.head_dim,
      .tile_heads = plan.tile_heads,
      .tile_tokens = plan.tile_tokens,
  };
  const std::uint32_t neighbours = pass.one_token_each ? 1 : token_count;
  Groups groups = {.x = (neighbours + plan.tile_tokens - 1) / plan.tile_tokens,
                   .y = served.sequences_count * slice.groups_per_sequence() * plan.head_tiles,
                   .z = plan.splits};
  if (plan.family == AttentionFamily::kRegisters &&
      wakes_no_other_worker(list.device(), op, plan, groups.x * groups.y * groups.z)) {
    groups.z *= 2;
  }
  const std::array<Bind, 4> bindings = {{{0, full_chunks(slice.buffer)},
                                         {1, full_chunks(op.q.buffer)},
                                         {2, op.positions},
                                         {3, plan.splits > 1 ? op.scratch : op.out.buffer}}};
  list.dispatch(kernel, bindings, as_words(push), groups, work_of(op, slice, served.count, plan), "attention");
}

void record_merge(CommandList& list, const Attention& op, const AttentionPlan& plan, std::uint32_t first_token,
                  std::uint32_t token_count) {
  const shader::AttentionMergeConstants constants = {.workgroup_size = plan.merge_workgroup};
  const shader::AttentionMergePush push = {
      .out_offset = op.out.offset,
      .out_stride = op.out.stride,
      .first_token = first_token,
      .token_count = token_count,
      .query_heads = op.query_heads,
      .head_dim = op.head_dim,
      .splits = plan.splits,
  };
  const std::uint32_t invocations = token_count * op.query_heads * op.head_dim / 4;
  list.dispatch(list.device().kernel("attention_merge", as_words(constants)), {{0, op.scratch}, {1, op.out.buffer}},
                as_words(push), {.x = (invocations + plan.merge_workgroup - 1) / plan.merge_workgroup},
                {.bytes = 16.0 * invocations * plan.splits}, "attention merge");
}

const Kernel& kernel_of(Device& device, const Attention& op, const AttentionPlan& plan) {
  if (plan.family == AttentionFamily::kBroadcast) return device.kernel(plan.kernel);
  if (plan.family == AttentionFamily::kShared) {
    return device.kernel(plan.kernel, as_words(shader::AttentionSharedConstants{.workgroup_size = plan.workgroup}));
  }
  const shader::AttentionRegistersConstants constants = {
      .head_dim = static_cast<std::int32_t>(op.head_dim),
      .tile_heads = static_cast<std::int32_t>(plan.tile_heads),
      .tile_tokens = static_cast<std::int32_t>(plan.tile_tokens),
      .capped = op.soft_cap > 0 ? 1u : 0u,
  };
  return device.kernel(plan.kernel, as_words(constants));
}

// Tokens per dispatch: few enough for the scratch, for a grid, and for the submission budget, which cannot cut inside a
// dispatch.
std::uint32_t tokens_per_pass(CommandList& list, const Attention& op, const AttentionPlan& plan) {
  std::uint64_t limit = op.tokens;
  if (plan.splits > 1) limit = std::min(limit, op.scratch.size_bytes / plan.partial_bytes_per_token);
  REGROUP_CHECK(limit > 0);
  // What a grid may hold: tiles of sequences in y, and quads of the merge in x.
  constexpr std::uint64_t kMaxGroups = 65535;
  if (op.sequences.one_token_each) limit = std::min(limit, kMaxGroups / (op.cache.groups * plan.head_tiles));
  const std::uint64_t quads_per_token = std::uint64_t{op.query_heads} * op.head_dim / 4;
  if (plan.splits > 1) limit = std::min(limit, kMaxGroups * plan.merge_workgroup / quads_per_token);
  SubmitBudget& budget = list.device().budget();
  const double ms = budget.estimate_ms(work_of(op, op.cache.slices.front(), op.tokens, plan));
  if (ms > budget.max_ms()) limit = std::min(limit, static_cast<std::uint64_t>(op.tokens * (budget.max_ms() / ms)));
  // Whole tiles, at least one.
  limit = std::max<std::uint64_t>(limit / plan.tile_tokens * plan.tile_tokens, plan.tile_tokens);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(limit, op.tokens));
}

}  // namespace

std::uint64_t attention_scratch_bytes(const Device&, const KernelProfile&, std::uint32_t query_heads,
                                      std::uint32_t head_dim, std::uint32_t max_tokens) {
  // A tile of tokens is computed at once.
  const std::uint64_t rows = std::uint64_t{std::clamp(max_tokens, 1u, kMaxTileTokens)} * query_heads;
  return std::max<std::uint64_t>(16, rows * kMaxSplits * (head_dim + 4) * 4);
}

void record(CommandList& list, const KernelProfile& profile, const Attention& op) {
  check(op);
  const AttentionPlan plan = attention_plan(list.device().info().type, profile, op);
  REGROUP_CHECK(plan.splits == 1 ||
                (op.scratch && op.scratch.size_bytes >= plan.partial_bytes_per_token * plan.tile_tokens));
  const Kernel& kernel = kernel_of(list.device(), op, plan);
  const std::uint32_t pass = tokens_per_pass(list, op, plan);
  for (std::uint32_t first = 0; first < op.tokens; first += pass) {
    const std::uint32_t count = std::min(pass, op.tokens - first);
    for (const KvCacheSlice& slice : op.cache.slices) record_slice(list, kernel, op, plan, slice, first, count);
    if (plan.splits > 1) record_merge(list, op, plan, first, count);
  }
}

}  // namespace regroup
