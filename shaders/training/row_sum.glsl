// Rows of a matrix spread over invocations, with sums and maxima over a row. With -DROW_PER_LANE (CPU drivers) an invocation owns a whole row and
// nothing is reduced; otherwise a workgroup of WORKGROUP owns a row and meets in shared memory. A row is walked in chunks of four:
//   for (uint c = FIRST_CHUNK; c < end; c += CHUNK_STEP)
#ifndef REGROUP_ROW_SUM_GLSL
#define REGROUP_ROW_SUM_GLSL

#ifdef ROW_PER_LANE
layout(local_size_x = 8) in;
#define FIRST_CHUNK 0u
#define CHUNK_STEP 1u
uint own_row(uint groups_x) {
  return (gl_WorkGroupID.x + gl_WorkGroupID.y * groups_x) * 8u + gl_LocalInvocationID.x;
}
float sum_of_row(float own) {
  return own;
}
float max_of_row(float own) {
  return own;
}
#else
#define WORKGROUP 64u
layout(local_size_x = 64) in;
#define FIRST_CHUNK gl_LocalInvocationID.x
#define CHUNK_STEP WORKGROUP
shared float row_parts[64];
uint own_row(uint groups_x) {
  return gl_WorkGroupID.x + gl_WorkGroupID.y * groups_x;
}
// All invocations of the workgroup come here together.
float sum_of_row(float own) {
  barrier();
  row_parts[gl_LocalInvocationID.x] = own;
  barrier();
  float sum = 0.0;
  for (uint i = 0u; i < WORKGROUP; ++i) sum += row_parts[i];
  return sum;
}
float max_of_row(float own) {
  barrier();
  row_parts[gl_LocalInvocationID.x] = own;
  barrier();
  float most = row_parts[0];
  for (uint i = 1u; i < WORKGROUP; ++i) most = max(most, row_parts[i]);
  return most;
}
#endif

float sum4(vec4 v) {
  return (v.x + v.y) + (v.z + v.w);
}

float max4(vec4 v) {
  return max(max(v.x, v.y), max(v.z, v.w));
}

#endif
