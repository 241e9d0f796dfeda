// The weight of column i as kernels that decode it once for many tokens compute it: one multiplication less than the shift of weight_value.
#ifndef REGROUP_LINEAR_PRODUCT_VALUE_GLSL
#define REGROUP_LINEAR_PRODUCT_VALUE_GLSL

#if WEIGHT_SUB_BLOCK == 0
#define product_value(block, i) weight_q(block, i)
#elif WEIGHT_HAS_MIN
#define product_value(block, i) \
  (weight_q_raw(block, i) * (weight_scale(block, (i) / WEIGHT_SUB_BLOCK) * WEIGHT_Q_RAW_FACTOR(i)) + weight_min(block, (i) / WEIGHT_SUB_BLOCK))
#else
#define product_value(block, i) (weight_q_raw(block, i) * (weight_scale(block, (i) / WEIGHT_SUB_BLOCK) * WEIGHT_Q_RAW_FACTOR(i)))
#endif

#endif
