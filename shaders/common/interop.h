// Lets one contract header serve C++ and GLSL: push constants are 32-bit scalars at equal offsets in both languages, specialisation
// constants are members 0, 1, ... of a struct.
//
//   REGROUP_PUSH_CONSTANTS(NormPush, uint rows; float epsilon;)      C++: struct NormPush { ... };   GLSL: uniform block named `push`
//   #define NORM_CONSTANTS(CONSTANT) CONSTANT(0, uint, workgroup_size, 64) CONSTANT(1, bool_t, add_one, 0)
//   REGROUP_SPECIALIZATION(NormConstants, NORM_CONSTANTS)            C++: struct NormConstants { uint32_t workgroup_size = 64; ... };
//                                                                    GLSL: layout(constant_id = 0) const uint workgroup_size = 64; ...
#ifndef REGROUP_SHADERS_COMMON_INTEROP_H
#define REGROUP_SHADERS_COMMON_INTEROP_H

#ifdef __cplusplus
#include <cstdint>
namespace regroup::shader {
using uint = std::uint32_t;
}
#define REGROUP_PUSH_CONSTANTS(name, members) \
  namespace regroup::shader {                 \
  struct name {                               \
    members                                   \
  };                                          \
  }
#define REGROUP_CONSTANT_MEMBER(index, type, name, value) type name = value;
#define REGROUP_SPECIALIZATION(name, list) \
  namespace regroup::shader {              \
  struct name {                            \
    list(REGROUP_CONSTANT_MEMBER)          \
  };                                       \
  }
#else
#define REGROUP_PUSH_CONSTANTS(name, members) layout(push_constant) uniform name { members } push;
#define REGROUP_CONSTANT_MEMBER(index, type, name, value) layout(constant_id = index) const type name = value;
#define REGROUP_SPECIALIZATION(name, list) list(REGROUP_CONSTANT_MEMBER)
#endif

#endif
