// The terms of a pooling as encode_pool_terms writes them (runtime/ops/pooling.h), in `uint terms[]`, declared before including:
//   words 0 .. groups            the first term of each target, and the number of all
//   the next `groups` words      each target's closing factor, as float bits
//   then two words per term      source head; factor as float bits
// A target is closing * (factor_0 * x_0 + factor_1 * x_1 + ...), every product and sum rounded, in the terms' order.
#ifndef REGROUP_POOLING_TERMS_GLSL
#define REGROUP_POOLING_TERMS_GLSL

uint term_count(uint target) {
  return terms[target + 1u] - terms[target];
}
float closing_factor(uint target, uint groups) {
  return uintBitsToFloat(terms[groups + 1u + target]);
}
uint term_source(uint target, uint groups, uint ordinal) {
  return terms[2u * groups + 1u + 2u * (terms[target] + ordinal)];
}
float term_factor(uint target, uint groups, uint ordinal) {
  return uintBitsToFloat(terms[2u * groups + 2u + 2u * (terms[target] + ordinal)]);
}

#endif
