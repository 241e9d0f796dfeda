// Reads 32 columns of one row of a packed matrix (runtime/formats/panel_layout.h) of the format chosen with -DWEIGHT_<FORMAT>.
// Before including: declare `uvec4 panels[]`, the chunks of one slice.
//
//   panel_block(row, b, panel_rows, blocks)    row of the buffer, counted from its first panel; block b of `blocks` = columns / 32, rounded up
//   weight_value(block, i)                     its column i, bit-equal to decode_row of runtime/formats/weight_format.h
#ifndef REGROUP_EMBEDDING_PANEL_BLOCK_GLSL
#define REGROUP_EMBEDDING_PANEL_BLOCK_GLSL

#include "shaders/formats/weight.glsl"
#include "shaders/formats/panel.glsl"

WeightBlock panel_block(uint row, uint b, uint panel_rows, uint blocks) {
  uint at = panel_chunk(row, b / 8u, blocks, panel_rows);
  uvec4 header[WEIGHT_HEADER_ARRAY];
  header[0] = uvec4(0u);
  [[unroll]] for (int h = 0; h < WEIGHT_HEADER_CHUNKS; ++h) header[h] = panels[at + uint(h) * panel_rows];
  at += (uint(WEIGHT_HEADER_CHUNKS) + b % 8u * uint(WEIGHT_BODY_CHUNKS)) * panel_rows;
  uvec4 body[WEIGHT_BODY_CHUNKS];
  [[unroll]] for (int c = 0; c < WEIGHT_BODY_CHUNKS; ++c) body[c] = panels[at + uint(c) * panel_rows];
  return weight_block(weight_header(header), body, b % 8u);
}

#endif
