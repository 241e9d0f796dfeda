// How an attention is cut into workgroups: which kernel, rows per workgroup, splits over positions.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/ops/attention.h"

namespace regroup {

inline constexpr std::uint32_t kMaxSplits = 64;
inline constexpr std::uint32_t kMaxTileTokens = 8;

// Kernels by situation: shaders/attention/attention_<family>.h.
enum class AttentionFamily { kRegisters, kBroadcast, kShared };

struct AttentionPlan {
  AttentionFamily family = AttentionFamily::kShared;
  std::string kernel;
  std::uint32_t workgroup = 0;   // invocations
  std::uint32_t tile_heads = 1;  // rows per workgroup: heads of one group times tokens
  std::uint32_t tile_tokens = 1;
  std::uint32_t head_tiles = 1;  // workgroups per group
  std::uint32_t splits = 1;
  std::uint32_t merge_workgroup = 64;
  std::uint64_t partial_bytes_per_token = 0;  // of scratch
};

// Positions that `tokens` neighbouring tokens look at, at most.
std::uint32_t attention_reach(const Attention& op, std::uint32_t tokens);

// Tokens that are neighbours in one sequence, so that they can share a tile.
std::uint32_t neighbouring_tokens(const Attention& op);

// Throws kUsage when a CPU driver would need more than kMaxSplits splits: its loops are bounded.
AttentionPlan attention_plan(DeviceType device, const KernelProfile& profile, const Attention& op);

}  // namespace regroup
