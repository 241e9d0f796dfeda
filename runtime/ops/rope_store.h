// Between the projections and attention: optional per-head norm of Q and K, rotary embedding, and storing K and V in
// the cache.
#pragma once

#include "runtime/ops/kv_cache_layout.h"
#include "runtime/ops/linear.h"

namespace regroup {

enum class RopeLayout : std::uint32_t {
  kInterleaved = 0,  // plane p of a head is elements (2p, 2p+1): GGUF "llama"; what models use on the device
  kHalfSplit = 1,    // plane p is elements (p, p + rotary_dims/2): Hugging Face
};

// For each token t at position positions[t]:
//   q[t, h] = rope(norm_q(q[t, h]))             in place, h < query_heads
//   cache K[g, positions[t]] = rope(norm_k(k[t, g])), cache V[g, positions[t]] = v[t, g]        g < groups of `cache`
// One dispatch per slice of the cache where q, k and v lie in one buffer (as models lay them), three where they do not.
// rope(z)_p = z_p * (cos + i sin)[position, p] on planes p < rotary_dims/2; elements past rotary_dims are left alone.
struct RopeStore {
  Activations q;                // [tokens, query_heads * head_dim]
  Activations k;                // [tokens, groups * head_dim]
  Activations v;                // [tokens, groups * head_dim]
  BufferView positions;         // [tokens] u32, each < cache capacity
  BufferView rope_table;        // [table positions][rotary_dims/2] pairs (cos, sin) f32, scaling already in
  BufferView q_norm_gain = {};  // [head_dim] f32, RMS norm over head_dim (QK-norm); both gains or none
  BufferView k_norm_gain = {};
  float norm_epsilon = 1e-6f;
  KvCacheLayer cache;
  CacheSequences sequences;
  std::uint32_t query_heads = 0;
  std::uint32_t head_dim = 0;
  std::uint32_t rotary_dims = 0;  // even, <= head_dim; 0: no rotary embedding (table unused, may be any buffer)
  RopeLayout layout = RopeLayout::kInterleaved;
  std::uint32_t tokens = 1;
};

void record(CommandList& list, const KernelProfile& profile, const RopeStore& op);

}  // namespace regroup
