// Contract of shaders/sampling/compare_logits.comp: how far one model's predictions are from another's, per position.
//   p = softmax(baseline row), q = softmax(logits row)
//   scores[t] = -log q[target], sum_i p_i log(p_i / q_i) (Kullback and Leibler 1951), -log p[target], argmax of p, argmax of q
//
//   baseline, logits   f32; element (t, i) is at 4 * (offset + t * stride) + i; they may be the same rows
//   targets            [rows] u32, each below columns: the token that follows position t
//   scores             [rows, 8] words: three floats, two u32 (the lowest index of equal maxima), three unused
// One workgroup per row (x of the grid). An invocation takes the chunks of four lane, lane + workgroup_size, ... twice: for the maxima, then for
// the sums, which are taken over differences to the maxima, so that equal rows give a divergence of exactly 0. Two barriers.
// columns: any of which an invocation has at most 30000 chunks (loop trips, see compare_logits.cpp); what lies past them in the last chunk is not looked at.
#include "shaders/common/interop.h"

#define COMPARE_LOGITS_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) /* at most 128 */
REGROUP_SPECIALIZATION(CompareLogitsConstants, COMPARE_LOGITS_CONSTANTS)
// Offsets and strides in chunks of four floats.
REGROUP_PUSH_CONSTANTS(CompareLogitsPush, uint columns; uint baseline_offset; uint baseline_stride; uint logits_offset; uint logits_stride;)
