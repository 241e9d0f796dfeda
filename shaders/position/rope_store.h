// Contract of shaders/position/rope_store.comp: between the projections and attention, all in one dispatch.
//   q[t, h] = rope(norm_q(q[t, h]))                                        in place, h < query_heads
//   cache K[g, p] = rope(norm_k(k[t, g])),  cache V[g, p] = v[t, g]        p = positions[t], g < groups of the bound cache
//   norm(z)_i = z_i / sqrt(mean z^2 + epsilon) * gain_i                    (QK-norm: -DROPE_STORE_NORM)
//   rope(z): plane j < planes turns by the angle whose (cos, sin) is table[p, j]  (Su et al. 2021, RoFormer);
//            interleaved: plane j = elements (2j, 2j+1); -DROPE_STORE_HALF_SPLIT: (j, j + planes); elements from 2 * planes on stay
//
//   0 activations  f32: q, k and v; element (t, h, i) of q at q_offset + t * q_stride + h * head_dim + i, k and v alike;
//                  offsets and strides are multiples of 4
//   1 table        [positions][planes] pairs of f32 (anything where planes = 0)
//   2 positions    [tokens] u32; of a position past the cache nothing is stored
//   3 cache        the buffer of one KvCacheSlice (runtime/ops/kv_cache_layout.h)
//   4, 5           gains of q and k, [head_dim] f32, as texels of four; only with ROPE_STORE_NORM. Texel buffers, because four storage
//                  buffers are all that the specification guarantees; 65536 texels are guaranteed and 64 are the most needed.
//
// x of the grid counts heads (query_heads of q, then key_heads of K, then value_heads of V), heads_per_workgroup at a time; y counts tokens.
// An invocation owns a block of 32 elements of one head: workgroup_size = heads_per_workgroup * ceil(head_dim / 32).
// Token t of the dispatch is token first_token + t of the buffers; its group g is head first_row + t * token_rows + g of the cache: token_rows is 0
// where all tokens are of one sequence, the sequences' groups where each is of its own.
// Shared memory: one partial sum per invocation for the norm; the workgroup's heads where planes are half-split, because a plane's
// halves then lie in two blocks. One barrier for each of the two.
// head_dim: a multiple of 4 (cache f32), 8 (f16) or 32 (q8_0, q4_0), at most 256. planes <= head_dim / 2.
#include "shaders/common/interop.h"

#define ROPE_STORE_CONSTANTS(CONSTANT)                   \
  CONSTANT(0, uint, workgroup_size, 8) /* at most 64 */  \
  CONSTANT(1, uint, heads_per_workgroup, 4)              \
  CONSTANT(2, uint, head_dim, 64)
REGROUP_SPECIALIZATION(RopeStoreConstants, ROPE_STORE_CONSTANTS)
// Offsets and strides of activations in chunks of four, of the cache in words. k_offset and v_offset belong to the first group of the cache.
REGROUP_PUSH_CONSTANTS(RopeStorePush, uint query_heads; uint key_heads; uint value_heads; uint planes; uint q_offset; uint q_stride;
                       uint k_offset; uint k_stride; uint v_offset; uint v_stride; uint capacity; uint v_at; uint k_scales_at;
                       uint v_scales_at; float epsilon; uint first_token; uint first_row; uint token_rows;)
