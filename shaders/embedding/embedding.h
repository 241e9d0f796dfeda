// Contract of shaders/embedding/embedding.comp.
//   y[t, :] = scale * table[ids[t], :]      for the tokens whose row lies in the bound slice; others are left to its other slices
//
//   0 panels   one slice of the packed table (runtime/formats/panel_layout.h), from its buffer's first panel
//   1 ids      [tokens] u32
//   2 y        f32; element (t, i) at y_offset + t * y_stride + i; offset and stride are multiples of 4
// x of the grid: blocks of 32 columns, one per invocation; y: tokens.
// columns: any; y is written up to a multiple of 4, the rest of the last four with zeros.
#include "shaders/common/interop.h"

#define EMBEDDING_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 8)
REGROUP_SPECIALIZATION(EmbeddingConstants, EMBEDDING_CONSTANTS)
// first_row: of the table, the first of the slice; skip_rows: rows of the buffer before it. y_offset and y_stride in chunks of four.
REGROUP_PUSH_CONSTANTS(EmbeddingPush, uint first_row; uint rows; uint skip_rows; uint panel_rows; uint columns; uint y_offset;
                       uint y_stride; float scale;)
