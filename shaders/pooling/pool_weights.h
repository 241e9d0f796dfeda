// Contract of shaders/pooling/pool_weights.comp (Ainslie et al. 2023, section 2.1, generalised to any weights).
//   target[g * head_dim + d, k] = closing_g * sum over terms i of g, in order:  factor_i * source[source_i * head_dim + d, k]
// bit-equal to pool_rows_on_host: every product and sum is rounded to f32 once.
//
//   0 source   one slice of a packed matrix of any format (runtime/formats/panel_layout.h), from its buffer's first panel
//   1 target   one slice of an f32 matrix with the same panel_rows; partial sums of earlier dispatches are read back
//   2 terms    see terms.glsl
// A dispatch adds the terms number first_term .. last_term-1 of each target whose source row lies in the bound slice. The caller goes
// through slices of the source for one term number after the other, so that the order of the sum does not depend on how it is cut.
// An invocation owns 32 columns of a target row; x and y of the grid together count (panel, block, row of the panel), the row fastest.
// Rows that pad the target's last panel are not written; padding columns become zero (the source's are).
#include "shaders/common/interop.h"

#define POOL_WEIGHTS_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 8) CONSTANT(1, uint, panel_rows, 32) CONSTANT(2, uint, head_dim, 64)
REGROUP_SPECIALIZATION(PoolWeightsConstants, POOL_WEIGHTS_CONSTANTS)
// panel_rows and head_dim are constants because CPU drivers divide lane by lane. x_first_row: of the matrix, the first of the slice; x_skip_rows: rows of the buffer before it.
REGROUP_PUSH_CONSTANTS(PoolWeightsPush, uint source_first_row; uint source_rows; uint source_skip_rows; uint target_first_row;
                       uint target_rows; uint target_skip_rows; uint blocks; uint groups;
                       uint first_term; uint last_term;)
