// Where the chunks of a packed matrix lie: the GLSL side of runtime/formats/panel_layout.h. Needs weight.glsl before it.
#ifndef REGROUP_FORMATS_PANEL_GLSL
#define REGROUP_FORMATS_PANEL_GLSL

#define WEIGHT_HEADER_ARRAY (WEIGHT_HEADER_CHUNKS == 0 ? 1 : WEIGHT_HEADER_CHUNKS)

// Where row r of a panel stands among its chunks: high panels deal their rows out to lanes, see panel_layout.h.
uint panel_slot(uint r, uint panel_rows) {
  return panel_rows >= 32u && panel_rows % 4u == 0u ? r % 4u * (panel_rows / 4u) + r / 4u : r;
}

// The first chunk of a row's super-block, in chunks from the matrix' start: header h is h * panel_rows further, chunk c of block b (0..7)
// is (WEIGHT_HEADER_CHUNKS + b * WEIGHT_BODY_CHUNKS + c) * panel_rows further. `blocks`: blocks of 32 columns in a row.
uint panel_chunk(uint row, uint super_block, uint blocks, uint panel_rows) {
  uint panel_chunks = ((blocks + 7u) / 8u * uint(WEIGHT_HEADER_CHUNKS) + blocks * uint(WEIGHT_BODY_CHUNKS)) * panel_rows;
  uint before = super_block * uint(WEIGHT_HEADER_CHUNKS + 8 * WEIGHT_BODY_CHUNKS) * panel_rows;
  return row / panel_rows * panel_chunks + before + panel_slot(row % panel_rows, panel_rows);
}

#endif
