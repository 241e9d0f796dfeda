// Contract of attention_merge.comp: puts the partial results of a split attention together.
//   m = max_s m_s;  out[t, h] = sum_s 2^(m_s - m) o_s / sum_s 2^(m_s - m) l_s
//   binding 0  partial results [token_count][query heads][splits][head_dim + 4] f32 (attention.h)
//   binding 1  out [tokens, query heads * head_dim] f32, row t at out_offset + t * out_stride
// One invocation per 4 elements of a row (t, h): x runs over token_count * query_heads * head_dim / 4.
#include "shaders/common/interop.h"

REGROUP_PUSH_CONSTANTS(AttentionMergePush,
                       uint out_offset;
                       uint out_stride;
                       uint first_token;
                       uint token_count;
                       uint query_heads;
                       uint head_dim;
                       uint splits;)
#define ATTENTION_MERGE_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64)
REGROUP_SPECIALIZATION(AttentionMergeConstants, ATTENTION_MERGE_CONSTANTS)
