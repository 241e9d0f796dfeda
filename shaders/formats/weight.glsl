// Selects the decoder of one weight format: compile with -DWEIGHT_<NAME>. Every decoder defines the same names.
//
//   WEIGHT_HEADER_CHUNKS, WEIGHT_BODY_CHUNKS   as in formats.def (16-byte chunks per 256 and per 32 columns of a row, see runtime/formats/panel_layout.h)
//   WEIGHT_SUB_BLOCK                           columns that share a scale and a minimum: 32 or 16; 0 for formats without scales
//   WEIGHT_HAS_MIN                             0: weight_min is always 0 and need not be added
//   WEIGHT_Q_RAW_FACTOR(i)                     a power of two: weight_q(block, i) == weight_q_raw(block, i) * WEIGHT_Q_RAW_FACTOR(i)
//   WeightHeader weight_header(uvec4 chunks[max(WEIGHT_HEADER_CHUNKS, 1)])        what a row needs of 256 columns
//   WeightBlock weight_block(WeightHeader, uvec4 body[WEIGHT_BODY_CHUNKS], uint b) block b (0..7) of those: 32 columns of the row
//   float weight_q(block, i), weight_q_raw(block, i)   the quantised number of column i (0..31, a constant after unrolling)
//   float weight_scale(block, k), weight_min(block, k) of sub-block k (0, or 1 where WEIGHT_SUB_BLOCK is 16)
//   float weight_value(block, i)               the weight, bit-equal to decode_row in runtime/formats/weight_format.h
//
// weight = weight_scale * weight_q + weight_min, and the products are exact in float, so that contraction cannot change the value.
// A raw number saves the shift of each weight: the kernel multiplies its input by the constant factor once for all rows.
// Zero chunks (padding) decode to zero. Scales of the 32-column formats and f16 weights come through unpackHalf2x16: a driver that flushes
// subnormal halves there would lose blocks of weights below 5e-4 (the tests hold drivers to it). K-quants, whose super-block scales are often
// that small, use half_to_float of bits.glsl or hold floats.
#ifndef REGROUP_FORMATS_WEIGHT_GLSL
#define REGROUP_FORMATS_WEIGHT_GLSL

#include "shaders/formats/bits.glsl"

#if defined(WEIGHT_F32)
#include "shaders/formats/f32.glsl"
#elif defined(WEIGHT_F16)
#include "shaders/formats/f16.glsl"
#elif defined(WEIGHT_BF16)
#include "shaders/formats/bf16.glsl"
#elif defined(WEIGHT_Q8_0)
#include "shaders/formats/q8_0.glsl"
#elif defined(WEIGHT_Q4_0)
#include "shaders/formats/q4_0.glsl"
#elif defined(WEIGHT_Q4_1)
#include "shaders/formats/q4_1.glsl"
#elif defined(WEIGHT_Q5_0)
#include "shaders/formats/q5_0.glsl"
#elif defined(WEIGHT_Q5_1)
#include "shaders/formats/q5_1.glsl"
#elif defined(WEIGHT_Q2_K)
#include "shaders/formats/q2_k.glsl"
#elif defined(WEIGHT_Q3_K)
#include "shaders/formats/q3_k.glsl"
#elif defined(WEIGHT_Q4_K)
#include "shaders/formats/q4_k.glsl"
#elif defined(WEIGHT_Q5_K)
#include "shaders/formats/q5_k.glsl"
#elif defined(WEIGHT_Q6_K)
#include "shaders/formats/q6_k.glsl"
#else
#error "compile with -DWEIGHT_<FORMAT>, see shaders/formats/formats.def"
#endif

#endif
