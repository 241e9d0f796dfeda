// The key of the row's largest logit, for every invocation. Needs scratch, push.chunks and workgroup_size (a power of two of at most 128).
shared uint largest_keys[128];

uint key_of_largest() {
  uint lane = gl_LocalInvocationID.x;
  uint key = kLowestKey;
  for (uint chunk = lane; chunk < push.chunks; chunk += workgroup_size) {
    key = max(key, order_key(uintBitsToFloat(scratch[kLargestWord + 4u * chunk])));
  }
  largest_keys[lane] = key;
  barrier();
  for (uint half_size = workgroup_size / 2u; half_size > 0u; half_size /= 2u) {
    if (lane < half_size) {
      key = max(key, largest_keys[lane + half_size]);
      largest_keys[lane] = key;
    }
    barrier();
  }
  return largest_keys[0];
}
