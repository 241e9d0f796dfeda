#include "runtime/ops/attention_plan.h"

#include <algorithm>
#include <string_view>
#include <thread>

#include "runtime/core/error.h"

namespace regroup {
namespace {

// lavapipe silently ends an invocation after 65535 loop trips. Other drivers know no such bound, and a GPU has contexts
// that this would refuse.
constexpr std::uint32_t kMaxTrips = 30000;
// Rows of the shared-memory kernels: bounded by 16 KiB of shared memory at head_dim 256.
constexpr std::uint32_t kSharedRows = 8;
constexpr std::uint32_t kSharedWorkgroup = 64;
// Of attention_broadcast, as compiled (shaders/attention/kernels.def).
constexpr std::uint32_t kBroadcastRows = 4;
constexpr std::uint32_t kBroadcastStep = 16;
// Below this many positions a split costs more than it brings (one more dispatch, or idle lanes).
constexpr std::uint32_t kLeastSplitCpu = 512;
constexpr std::uint32_t kLeastSplitGpu = 128;
// Enough for the multiprocessors of a large GPU (132 to 192) to have several workgroups of two subgroups each, which is
// what hides the latency of their loads.
constexpr std::uint32_t kGpuWorkgroups = 512;

std::uint32_t divide_up(std::uint32_t a, std::uint32_t b) {
  return (a + b - 1) / b;
}

// Chooses heads and tokens of a tile so that most rows are useful; on a tie rather heads, whose causal bounds agree.
void choose_rows(AttentionPlan& plan, std::uint32_t heads_per_group, std::uint32_t tokens, std::uint32_t most_rows) {
  if (tokens == 1) {
    plan.head_tiles = divide_up(heads_per_group, most_rows);
    plan.tile_heads = divide_up(heads_per_group, plan.head_tiles);
    return;
  }
  double best = 0;
  for (std::uint32_t heads = std::min(heads_per_group, most_rows); heads > 0; --heads) {
    const std::uint32_t tile_tokens = std::min({most_rows / heads, tokens, kMaxTileTokens});
    const std::uint32_t tiles = divide_up(heads_per_group, heads);
    const double useful = double{1} * heads_per_group * tokens / tiles / divide_up(tokens, tile_tokens);
    if (useful <= best) continue;
    best = useful;
    plan.tile_heads = heads;
    plan.tile_tokens = tile_tokens;
    plan.head_tiles = tiles;
  }
}

}  // namespace

std::uint32_t attention_reach(const Attention& op, std::uint32_t tokens) {
  if (op.window == 0 || op.window >= op.longest_context) return op.longest_context;
  return std::min(op.longest_context, op.window + tokens);
}

std::uint32_t neighbouring_tokens(const Attention& op) {
  return op.sequences.one_token_each ? 1 : op.tokens;
}

AttentionPlan attention_plan(DeviceType device, const KernelProfile& profile, const Attention& op) {
  AttentionPlan plan;
  const std::string_view type = cache_type_name(op.cache.type);
  const std::uint32_t heads_per_group = op.query_heads / op.cache.groups;
  const bool cpu = profile.shape == ProductShape::kRowPerLane;
  std::uint32_t positions_per_step = 0, trips_per_step = 1;
  if (cpu && profile.texel_loads && profile.broadcast == Broadcast::kShuffle) {
    // More rows share a load, but their sums must stay near the registers: measured best from head_dim 32 to 256.
    choose_rows(plan, heads_per_group, neighbouring_tokens(op), std::clamp(1024 / op.head_dim, 1u, 9u));
    plan.kernel =
        fmt::format("{}_{}", profile.lanes == 16 ? "attention_registers_texel16" : "attention_registers_texel8", type);
    plan.family = AttentionFamily::kRegisters;
    plan.workgroup = profile.lanes;
    positions_per_step = profile.lanes;
  } else if (cpu && profile.broadcast == Broadcast::kBroadcast && profile.lanes == 4) {
    choose_rows(plan, heads_per_group, neighbouring_tokens(op), kBroadcastRows);
    plan.family = AttentionFamily::kBroadcast;
    plan.kernel = fmt::format("attention_broadcast_rows{}_{}", plan.tile_heads * plan.tile_tokens > 1 ? 4 : 1, type);
    plan.workgroup = profile.lanes;
    positions_per_step = kBroadcastStep;
    trips_per_step = op.head_dim / 2;  // quads of K, runs of quads of V
  } else {
    choose_rows(plan, heads_per_group, neighbouring_tokens(op), kSharedRows);
    const std::uint32_t rows = plan.tile_heads * plan.tile_tokens;
    const bool subgroup = !cpu && profile.reduction == Reduction::kSubgroup;
    plan.kernel = fmt::format("attention_{}_rows{}_{}", subgroup ? "subgroup" : "shared",
                              rows > 4   ? 8
                              : rows > 1 ? 4
                                         : 1,
                              type);
    plan.workgroup = kSharedWorkgroup;
    positions_per_step = kSharedWorkgroup;
    trips_per_step = 64 + op.head_dim / 2;  // chunks of K, positions of V in fours, parts of the maxima: at most
  }
  plan.merge_workgroup = cpu ? profile.lanes : 64;

  const std::uint32_t reach = attention_reach(op, plan.tile_tokens);
  const std::uint32_t needed =
      device == DeviceType::kCpu ? divide_up(divide_up(reach, positions_per_step) * trips_per_step, kMaxTrips) : 1;
  const std::uint32_t workgroups = op.cache.groups * plan.head_tiles * divide_up(op.tokens, plan.tile_tokens);
  const std::uint32_t wanted = cpu ? std::max(1u, std::thread::hardware_concurrency()) : kGpuWorkgroups;
  const std::uint32_t useful = std::max(1u, reach / (cpu ? kLeastSplitCpu : kLeastSplitGpu));
  plan.splits = std::max(needed, std::min(divide_up(wanted, workgroups), useful));
  if (op.splits != 0) plan.splits = std::max(needed, op.splits);
  if (needed > kMaxSplits) {
    throw_error(ErrorCode::kUsage,
                "a context of {} positions is more than attention can be split for; use a shorter context",
                op.longest_context);
  }
  plan.splits = std::min(plan.splits, kMaxSplits);
  plan.partial_bytes_per_token = std::uint64_t{plan.splits} * op.query_heads * (op.head_dim + 4) * 4;
  return plan;
}

}  // namespace regroup
