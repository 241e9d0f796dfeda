// Contract of shaders/pooling/pool_cache.comp: cached keys and values of many heads become those of fewer groups.
//   target X[g, p] = closing_g * sum over terms i of g, in order:  factor_i * source X[source_i, p]        X = K, V;  p < count
//
//   0 source   the buffer of one KvCacheSlice (runtime/ops/kv_cache_layout.h), of the type chosen with -DSOURCE_<TYPE>
//   1 target   the buffer of another, -DCACHE_<TYPE>; positions from `count` on are left alone
//   2 terms    see terms.glsl
// Sources that lie in several slices are added slice by slice in ascending order; between those dispatches the partial sum is kept in the
// target, rounded to its type.
// An invocation owns 32 elements of one head at one position, of K or of V; x and y of the grid together count
// (K or V, group, position, block), the block fastest.
#include "shaders/common/interop.h"

#define POOL_CACHE_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 8) CONSTANT(1, uint, head_dim, 64)
REGROUP_SPECIALIZATION(PoolCacheConstants, POOL_CACHE_CONSTANTS)
// Region starts in words. all_groups: groups of the whole target, which `terms` describes.
REGROUP_PUSH_CONSTANTS(PoolCachePush, uint source_first_group; uint source_groups; uint source_capacity; uint source_v_at;
                       uint source_k_scales_at; uint source_v_scales_at; uint target_first_group; uint target_groups;
                       uint target_capacity; uint target_v_at; uint target_k_scales_at; uint target_v_scales_at; uint all_groups;
                       uint count;)
