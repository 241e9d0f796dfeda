// The end of every product: bias, gate, accumulation, store, for four rows of a token at a time. Needs linear.h before it.
#ifndef REGROUP_LINEAR_FINISH_GLSL
#define REGROUP_LINEAR_FINISH_GLSL

#include "shaders/linear/gate.glsl"

layout(binding = 2) buffer Y { float y[]; };
layout(binding = 4) readonly buffer Bias { float bias[]; };
// The same bytes by twos and fours.
layout(binding = 2) buffer YPairs { vec2 y_pairs[]; };
layout(binding = 2) buffer YQuads { vec4 y_quads[]; };
layout(binding = 4) readonly buffer BiasQuads { vec4 bias_quads[]; };

// Rows are counted in the slice here; rows and tokens past the end are left out.
vec4 with_bias(vec4 sums, uvec4 rows) {
  if ((flags & LINEAR_BIAS) != 0u) {
    uvec4 at = push.first_row + min(rows, uvec4(push.rows - 1u));
    sums += vec4(bias[at.x], bias[at.y], bias[at.z], bias[at.w]);
  }
  return sums;
}

vec4 gate_product(vec4 gate, vec4 up) {
  if ((flags & LINEAR_SILU) != 0u) {
    gate = silu(gate);
  } else {
    gate = gelu_tanh(gate);
  }
  return gate * up;
}

void store_values(uint token, uvec4 indices, vec4 values, bvec4 valid) {
  // An element that surely exists stands in for those left out.
  uvec4 at = push.y_offset + mix(uvec4(0u), token * push.y_stride + indices, valid);
  if ((flags & LINEAR_ACCUMULATE) != 0u) values += vec4(y[at.x], y[at.y], y[at.z], y[at.w]);
  if (valid.x) y[at.x] = values.x;
  if (valid.y) y[at.y] = values.y;
  if (valid.z) y[at.z] = values.z;
  if (valid.w) y[at.w] = values.w;
}

bvec4 exist(uint token, uvec4 rows) {
  return lessThan(rows, uvec4(token < push.tokens ? push.rows : 0u));
}

// Stores four rows of which x and y, and z and w, are neighbours and x and z even.
void store_pairs(uint token, uvec4 rows, vec4 sums) {
  vec4 values = with_bias(sums, rows);
  uvec4 indices = push.first_row + rows;
  bvec4 valid = exist(token, rows);
  if ((flags & LINEAR_GATED) != 0u) {
    values = gate_product(values.xzxz, values.ywyw);
    indices = indices.xzxz / 2u;
    valid = bvec4(valid.xz, false, false);
  }
  store_values(token, indices, values, valid);
}

// Stores four neighbouring rows, the first a multiple of four: in one piece unless LINEAR_RAGGED says that the matrix ends within four rows.
void store_quad(uint token, uint row, vec4 sums) {
  if ((flags & LINEAR_RAGGED) != 0u) {
    store_pairs(token, row + uvec4(0u, 1u, 2u, 3u), sums);
  } else {
    uint index = push.first_row + row;
    if ((flags & LINEAR_BIAS) != 0u) sums += bias_quads[min(index, push.first_row + push.rows - 4u) / 4u];
    bool valid = token < push.tokens && row < push.rows;
    uint y_row = push.y_offset + token * push.y_stride;
    if ((flags & LINEAR_GATED) != 0u) {
      uint at = (y_row + index / 2u) / 2u;
      vec2 values = gate_product(sums.xzxz, sums.ywyw).xy;
      if (valid) {
        if ((flags & LINEAR_ACCUMULATE) != 0u) values += y_pairs[at];
        y_pairs[at] = values;
      }
    } else {
      uint at = (y_row + index) / 4u;
      if (valid) {
        if ((flags & LINEAR_ACCUMULATE) != 0u) sums += y_quads[at];
        y_quads[at] = sums;
      }
    }
  }
}

#endif
