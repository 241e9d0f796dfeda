#include "runtime/ops/linear.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "runtime/core/error.h"
#include "runtime/ops/chunk_view.h"
#include "runtime/ops/folded_grid.h"
#include "runtime/ops/rope_store.h"
#include "runtime/ops/worker_share.h"
#include "shaders/linear/linear.h"

namespace regroup {
namespace {

// One kernel of shaders/linear/kernels.def and what a workgroup of it owns.
struct Variant {
  std::string_view name;  // without the format
  std::uint32_t rows;
  std::uint32_t tokens;
  bool tiled;  // grid (tiles of tokens, groups of rows); otherwise (groups of rows folded into x and y, 1, tiles of
               // tokens)
};

// Up to here the kernel that shares no tile between subgroups is the faster one on a large GPU: on an H100 it decodes 8
// sequences 3.3 times as fast as tiles do, 32 no faster.
constexpr std::uint32_t kFewTokens = 24;

Variant decode_variant(const KernelProfile& profile) {
  if (profile.shape == ProductShape::kColumnsPerLane) {
    return {profile.reduction == Reduction::kSubgroup ? "linear_decode_subgroup" : "linear_decode_shared", 2, 1, false};
  }
  if (profile.texel_loads) {
    return {profile.lanes == 16 ? "linear_decode_texel16" : "linear_decode_texel", profile.panel_rows, 1, false};
  }
  if (profile.broadcast == Broadcast::kBroadcast) return {"linear_decode_ssbo", profile.panel_rows, 1, false};
  return {"linear_decode_plain", profile.panel_rows, 1, false};
}

// The kernel for the next `tokens` tokens; more than its tile are done in several tiles.
Variant variant_for(const KernelProfile& profile, std::uint32_t tokens) {
  if (profile.shape == ProductShape::kColumnsPerLane) {
    // A few tokens are cheaper one by one, their weights still cached; tiles of 64 rows and 32 tokens need many tokens
    // to occupy a GPU.
    if (tokens <= 4) return decode_variant(profile);
    if (tokens <= kFewTokens && profile.reduction == Reduction::kSubgroup) return {"linear_few_subgroup", 4, 8, false};
    return {"linear_prefill_shared", 64, 32, true};
  }
  if (tokens == 1) return decode_variant(profile);
  if (profile.texel_loads && profile.lanes == 16) {
    return tokens <= 4 ? Variant{"linear_prefill_texel16_few", profile.panel_rows, 4, true}
                       : Variant{"linear_prefill_texel16", profile.panel_rows, 8, true};
  }
  if (profile.texel_loads) {
    return tokens <= 4 ? Variant{"linear_prefill_texel_few", profile.panel_rows, 4, true}
                       : Variant{"linear_prefill_texel", profile.panel_rows, 8, true};
  }
  if (profile.broadcast == Broadcast::kBroadcast) return {"linear_prefill_ssbo", profile.panel_rows, 4, true};
  return {"linear_prefill_plain", profile.panel_rows, 4, true};
}

// How many of the next `tokens` tokens one dispatch takes: whole tiles, if a smaller kernel suits the rest better.
std::uint32_t tokens_of_dispatch(const KernelProfile& profile, const Variant& variant, std::uint32_t tokens) {
  if (!variant.tiled) return profile.shape == ProductShape::kColumnsPerLane ? tokens : 1;
  const std::uint32_t rest = tokens % variant.tokens;
  if (rest == 0 || tokens < variant.tokens) return tokens;
  return variant_for(profile, rest).name == variant.name ? tokens : tokens - rest;
}

void check(const KernelProfile& profile, const Linear& op) {
  const WeightMatrix& weight = op.weight;
  REGROUP_CHECK(op.tokens > 0 && weight.rows > 0 && weight.columns > 0);
  REGROUP_CHECK(weight.panel_rows == profile.panel_rows);
  REGROUP_CHECK(op.x.offset % 4 == 0 && op.x.stride % 4 == 0 && op.y.offset % 4 == 0 && op.y.stride % 4 == 0);
  REGROUP_CHECK(!op.norm_gain || op.tokens <= kFusedNormTokens);
  // Texels of gain that every device guarantees.
  REGROUP_CHECK(!op.norm_gain || weight.columns <= 4 * 65536);
  // lavapipe silently ends an invocation after 65535 loop trips.
  REGROUP_CHECK(weight.layout().blocks() <= 30000);
  const std::uint32_t outputs = op.gated == GatedActivation::kNone ? weight.rows : weight.rows / 2;
  const std::uint64_t padded = std::uint64_t{32} * weight.layout().blocks();
  REGROUP_CHECK((op.x.offset + std::uint64_t{op.tokens - 1} * op.x.stride + padded) * 4 <= op.x.buffer.size_bytes);
  REGROUP_CHECK((op.y.offset + std::uint64_t{op.tokens - 1} * op.y.stride + outputs) * 4 <= op.y.buffer.size_bytes);
  REGROUP_CHECK(!op.norm_gain || padded * 4 <= op.norm_gain.size_bytes);
  REGROUP_CHECK(!op.bias || std::uint64_t{weight.rows} * 4 <= op.bias.size_bytes);
  if (op.gated != GatedActivation::kNone) {
    REGROUP_CHECK(weight.rows % 2 == 0);
    for (const WeightSlice& slice : weight.slices) REGROUP_CHECK(slice.first_row % 2 == 0 && slice.rows % 2 == 0);
  }
}

std::uint32_t flags(const Linear& op) {
  std::uint32_t bits = 0;
  if (op.bias) bits |= LINEAR_BIAS;
  if (op.accumulate) bits |= LINEAR_ACCUMULATE;
  if (op.gated == GatedActivation::kSilu) bits |= LINEAR_SILU;
  if (op.gated == GatedActivation::kGeluTanh) bits |= LINEAR_GELU_TANH;
  if (op.weight.rows % 4 != 0) bits |= LINEAR_RAGGED;
  if (op.rope_store != nullptr && op.rope_store->cache.type == CacheType::kF16) bits |= LINEAR_CACHE_F16;
  return bits;
}

const Kernel& kernel_of(Device& device, const KernelProfile& profile, const Linear& op, const Variant& variant) {
  const std::uint32_t blocks = op.weight.layout().blocks();
  shader::LinearConstants constants;
  // A row of few blocks leaves half of a larger workgroup idle.
  constants.workgroup_size = profile.shape == ProductShape::kColumnsPerLane && variant.tokens == 1
                                 ? decode_workgroup(profile, blocks)
                                 : std::min(profile.lanes, blocks > 32 ? 64u : 32u);
  constants.with_norm = op.norm_gain ? 1 : 0;
  constants.flags = flags(op);
  if (op.rope_store != nullptr) constants.head_dim = op.rope_store->head_dim;
  return device.kernel(
      fmt::format("{}{}_{}", variant.name, op.rope_store != nullptr ? "_rope" : "", format_info(op.weight.format).name),
      as_words(constants));
}

// Of one worker of lavapipe for a panel, ns: products decode 5 to 12 weights a nanosecond, and 8-bit and wider ones are
// held back by memory as well (the bench programs in tests/bench, LP_NUM_THREADS=0).
double ns_of_panel(const PanelLayout& layout) {
  const double weights = double{1} * layout.panel_rows * layout.columns;
  return 0.08 * weights + 0.033 * static_cast<double>(layout.panel_bytes());
}

void set_rope_store(shader::LinearPush& push, const Linear& op) {
  const RopeStore& rope_store = *op.rope_store;
  const KvCacheSlice& slice = rope_store.cache.slices.front();
  push.column = op.y.offset - rope_store.q.offset;
  push.query_columns = rope_store.query_heads * rope_store.head_dim;
  push.key_columns = rope_store.cache.groups * rope_store.head_dim;
  push.planes = rope_store.rotary_dims / 2;
  push.capacity = slice.layout.capacity;
  push.v_at = static_cast<std::uint32_t>(slice.layout.v_offset() / 4);
  push.first_head = slice_tokens(slice, rope_store.sequences, 1).first_row;
}

// Tokens first .. first + count - 1 times one slice, in dispatches that fit the submission budget.
void record_slice(CommandList& list, const Kernel& kernel, const Variant& variant, const Linear& op,
                  const WeightSlice& slice, std::uint32_t first, std::uint32_t count) {
  const PanelLayout layout = op.weight.layout();
  const auto panel_chunks = static_cast<std::uint32_t>(layout.panel_chunks());
  // A piece of x stands in for the vectors that this product has not; a view of all of x may be too long for a texel
  // view.
  const BufferView unused(*op.x.buffer.buffer, op.x.buffer.offset_bytes, 16);
  const BufferView gain =
      op.norm_gain ? BufferView(*op.norm_gain.buffer, op.norm_gain.offset_bytes, std::uint64_t{128} * layout.blocks())
                   : unused;
  const std::array<Bind, 8> bindings = {
      {{0, slice.panels},
       {1, op.x.buffer},
       {2, op.y.buffer},
       {3, gain},
       {4, op.bias ? op.bias : unused},
       {5, op.rope_store != nullptr ? op.rope_store->cache.slices.front().buffer : unused},
       {6, op.rope_store != nullptr ? whole_chunks(op.rope_store->rope_table) : unused},
       {7, op.rope_store != nullptr ? op.rope_store->positions : unused}}};

  // Rows per dispatch: a multiple of what a workgroup owns and of whole panels, which is the same or 1.
  const auto work_of = [&](double rows) {
    return Work{.bytes = rows / layout.panel_rows * static_cast<double>(layout.panel_bytes()),
                .flops = 2.0 * rows * layout.columns * count};
  };
  const SubmitBudget& budget = list.device().budget();
  const std::uint32_t row_groups = (slice.rows + variant.rows - 1) / variant.rows;
  const double parts = std::clamp(std::ceil(budget.estimate_ms(work_of(slice.rows)) / budget.max_ms()), 1.0,
                                  static_cast<double>(row_groups));
  std::uint32_t groups_per_part = static_cast<std::uint32_t>(std::ceil(static_cast<double>(row_groups) / parts));
  if (variant.tiled) groups_per_part = std::min(groups_per_part, 65535u);

  for (std::uint32_t group = 0; group < row_groups; group += groups_per_part) {
    const std::uint32_t groups = std::min(groups_per_part, row_groups - group);
    const std::uint32_t row = group * variant.rows;
    const std::uint32_t rows = std::min(slice.rows - row, groups * variant.rows);
    shader::LinearPush push{};
    push.rows = rows;
    push.first_row = slice.first_row + row;
    push.skip_chunks = (slice.skip_panels + row / layout.panel_rows) * panel_chunks;
    push.panel_chunks = panel_chunks;
    push.columns = layout.columns;
    push.blocks = layout.blocks();
    push.tokens = count;
    push.x_offset = (op.x.offset + first * op.x.stride) / 4;
    push.x_stride = op.x.stride / 4;
    push.y_offset = op.y.offset + first * op.y.stride;
    push.y_stride = op.y.stride;
    push.epsilon = op.norm_epsilon;
    if (op.rope_store != nullptr) set_rope_store(push, op);
    Groups grid{(count + variant.tokens - 1) / variant.tokens, groups, 1};
    if (!variant.tiled) {
      const std::uint32_t shared = layout.panel_rows == variant.rows && count == 1
                                       ? shared_groups(list.device().worker_lag_us(), groups, ns_of_panel(layout))
                                       : groups;
      grid = {folded_grid(shared).x, folded_grid(shared).y, grid.x};
    }
    list.dispatch(kernel, bindings, as_words(push), grid, work_of(rows));
  }
}

}  // namespace

std::uint32_t decode_workgroup(const KernelProfile& profile, std::uint32_t blocks) {
  return std::min(profile.decode_lanes, blocks > 64 ? 128u : blocks > 32 ? 64u : 32u);
}

bool takes_rope_store(const KernelProfile& profile, const Linear& op, const RopeStore& rope_store) {
  const KvCacheLayer& cache = rope_store.cache;
  return profile.shape == ProductShape::kRowPerLane && profile.texel_loads && op.tokens == 1 &&
         op.weight.rows % 4 == 0 && op.gated == GatedActivation::kNone && !op.accumulate && !rope_store.q_norm_gain &&
         rope_store.layout == RopeLayout::kInterleaved && rope_store.rotary_dims % 4 == 0 &&
         rope_store.rotary_dims > 0 && rope_store.head_dim % 4 == 0 &&
         (cache.type == CacheType::kF32 || cache.type == CacheType::kF16) && cache.slices.size() == 1 &&
         op.y.buffer.buffer == rope_store.q.buffer.buffer && op.y.offset >= rope_store.q.offset;
}

void record(CommandList& list, const KernelProfile& profile, const Linear& op) {
  check(profile, op);
  REGROUP_CHECK(op.rope_store == nullptr || takes_rope_store(profile, op, *op.rope_store));
  for (std::uint32_t first = 0; first < op.tokens;) {
    const std::uint32_t left = op.tokens - first;
    const Variant variant = variant_for(profile, left);
    const std::uint32_t count = tokens_of_dispatch(profile, variant, left);
    const Kernel& kernel = kernel_of(list.device(), profile, op, variant);
    for (const WeightSlice& slice : op.weight.slices) record_slice(list, kernel, variant, op, slice, first, count);
    first += count;
  }
}

}  // namespace regroup
