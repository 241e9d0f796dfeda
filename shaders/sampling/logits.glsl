// Four neighbouring logits of the row by one load, as the device class reads fastest. Needs push.offset, push.vocabulary.
#ifdef SAMPLING_TEXEL
#extension GL_EXT_texture_buffer : enable
layout(binding = 0) uniform samplerBuffer logits;
#define LOAD_LOGITS(i) texelFetch(logits, int(i))
#else
layout(binding = 0) readonly buffer Logits { vec4 logits[]; };
#define LOAD_LOGITS(i) logits[i]
#endif

// Texel t of the row (t may lie past its end); `valid` tells which of the four are logits, the others are the smallest float.
vec4 load_logits(uint t, out bvec4 valid) {
  uint last = (push.vocabulary - 1u) / 4u;
  vec4 four = LOAD_LOGITS(push.offset + min(t, last));
  valid = lessThan(uvec4(4u * t) + uvec4(0, 1, 2, 3), uvec4(push.vocabulary));
  return mix(vec4(-3.402823466e38), four, valid);
}
