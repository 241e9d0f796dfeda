// Where the matrices of a workgroup's batch begin, and the part of the depth that a tile of rows needs.
#ifndef REGROUP_PRODUCT_BATCH_GLSL
#define REGROUP_PRODUCT_BATCH_GLSL

struct Batch {
  uint a, b, c;  // offsets in floats
};

Batch batch_of(uint index) {
  uint outer = index / push.inner_batches;
  uint inner = index % push.inner_batches;
  return Batch(push.a_offset + outer * push.a_outer_stride + inner / push.a_divisor * push.a_inner_stride,
               push.b_offset + outer * push.b_outer_stride + inner / push.b_divisor * push.b_inner_stride,
               push.c_offset + outer * push.c_outer_stride + inner * push.c_inner_stride);
}

bool left_is_lower() {
  return (push.flags & PRODUCT_LEFT_LOWER) != 0u;
}

// The first and the end of the depth at which rows first_row .. first_row + rows - 1 of op(A) are not all 0, the first rounded down to `step`.
uvec2 depth_of(uint first_row, uint rows, uint step) {
  uvec2 range = uvec2(0u, push.depth);
#ifdef LEFT_TRANSPOSED
  if (left_is_lower()) range.x = min(first_row / step * step, push.depth);
#else
  if (left_is_lower()) range.y = min(push.depth, first_row + rows);
#endif
  return range;
}

bool tile_is_skipped(uint first_row, uint rows, uint first_column) {
  return (push.flags & PRODUCT_RESULT_LOWER) != 0u && first_column >= first_row + rows;
}

#endif
