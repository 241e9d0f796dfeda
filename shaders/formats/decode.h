// Contract of shaders/formats/decode.comp: a packed matrix written out as floats, bit-equal to decode_row on the host.
//   w: uvec4 chunks of whole panels (runtime/formats/panel_layout.h);  y: [rows][32 * blocks] f32, padding columns zero.
// One invocation per block of 32 columns of a row; rows and blocks are arbitrary.
// from_parts: 0 writes weight_value; 1 writes weight_scale * (weight_q_raw * WEIGHT_Q_RAW_FACTOR) + weight_min, what products compute.
#include "shaders/common/interop.h"

#define DECODE_CONSTANTS(CONSTANT)    \
  CONSTANT(0, uint, workgroup_size, 64) \
  CONSTANT(1, uint, from_parts, 0)
REGROUP_SPECIALIZATION(DecodeConstants, DECODE_CONSTANTS)
REGROUP_PUSH_CONSTANTS(DecodePush, uint rows; uint blocks; uint panel_rows;)
