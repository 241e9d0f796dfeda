// The largest logit seen so far with its id and the sum of exponentials relative to it, and how such findings are put together. Of equal
// logits the lowest id wins; NaN never does. Needs workgroup_size, a power of two of at most 128.
#include "shaders/sampling/exponential.glsl"

struct Best {
  float logit;
  uint id;
  float sum;       // of exp(value - logit) over everything looked at; no meaning when not finite
  uint magnitude;  // largest bits of |value|: from kInfinityBits on a NaN or an infinity was seen
};

const float kLargestFloat = 3.402823466e38;
const uint kInfinityBits = 0x7f800000u;
const uint kNoId = 0xffffffffu;

Best no_best() { return Best(-kLargestFloat, kNoId, 0.0, 0u); }

Best better_of(Best a, Best b) {
  bool second = b.logit > a.logit || (b.logit == a.logit && b.id < a.id);
  Best best;
  best.logit = second ? b.logit : a.logit;
  best.id = second ? b.id : a.id;
  best.sum = a.sum * exponential(a.logit - best.logit) + b.sum * exponential(b.logit - best.logit);
  best.magnitude = max(a.magnitude, b.magnitude);
  return best;
}

shared Best found[128];

// The best of all invocations, in invocation 0.
Best best_of_workgroup(Best mine) {
  uint lane = gl_LocalInvocationID.x;
  found[lane] = mine;
  barrier();
  for (uint half_size = workgroup_size / 2u; half_size > 0u; half_size /= 2u) {
    if (lane < half_size) {
      mine = better_of(mine, found[lane + half_size]);
      found[lane] = mine;
    }
    barrier();
  }
  return mine;
}
