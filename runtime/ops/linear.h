// Products with a weight matrix: matrix-vector for decoding, tiled matrix-matrix for prefill, with the cheap neighbours
// folded in.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/gpu/command_list.h"
#include "runtime/ops/kernel_profile.h"
#include "runtime/ops/weight_matrix.h"

namespace regroup {

struct RopeStore;

enum class GatedActivation : std::uint32_t { kNone = 0, kSilu = 1, kGeluTanh = 2 };

// Rows of f32 activations inside a buffer: element (t, i) is at offset + t * stride + i. offset and stride are
// multiples of 4.
struct Activations {
  BufferView buffer;
  std::uint32_t offset = 0;
  std::uint32_t stride = 0;
};

// y[t, m] = sum over k of weight[m, k] * x[t, k]
//   with norm:      x is first RMS-normalised over its K elements and multiplied by gain (folded into the product; at
//   most kFusedNormTokens tokens) with bias:      + bias[m] with gated:     rows 2i and 2i+1 of the weight are gate and
//   up: y[t, i] = act(gate_i) * up_i, i < M/2 with accumulate: the result is added to what y holds (the residual
//   stream)
struct Linear {
  WeightMatrix weight;  // [M, K]
  Activations x;        // [tokens, K]; readable up to K rounded up to 32 (padding may hold anything finite)
  Activations y;        // [tokens, M] (gated: [tokens, M/2])
  std::uint32_t tokens = 1;
  BufferView norm_gain = {};  // [K rounded up to 32] f32, padding 0
  float norm_epsilon = 0;
  BufferView bias = {};  // [M] f32
  GatedActivation gated = GatedActivation::kNone;
  bool accumulate = false;
  // y's rows are a token's queries, keys and values, from column y.offset - rope_store->q.offset on: they are rotated
  // and stored as this says in the same dispatch. Only where takes_rope_store(); otherwise null, and an op of its own.
  const RopeStore* rope_store = nullptr;
};

// Up to this many tokens a norm may be folded into the product.
inline constexpr std::uint32_t kFusedNormTokens = 1;

void record(CommandList& list, const KernelProfile& profile, const Linear& op);

// Invocations of a workgroup of a columns-per-lane kernel that multiplies one token with rows of so many blocks of 32
// columns: profile.decode_lanes at most, fewer where they would have nothing to do.
std::uint32_t decode_workgroup(const KernelProfile& profile, std::uint32_t blocks);

// Whether the product can take the rotation and the store of its rows along: one token, no norm per head, an
// unquantised cache in one slice, and a kernel family that has it.
bool takes_rope_store(const KernelProfile& profile, const Linear& op, const RopeStore& rope_store);

}  // namespace regroup
