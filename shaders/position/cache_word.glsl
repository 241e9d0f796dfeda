// What a cache of the type chosen with -DCACHE_<TYPE> is written as: quantised types need atomics on single words for their scales.
#ifndef REGROUP_POSITION_CACHE_WORD_GLSL
#define REGROUP_POSITION_CACHE_WORD_GLSL

#if defined(CACHE_F32) || defined(CACHE_F16)
#define CACHE_WORD uvec4
#elif defined(CACHE_Q8_0) || defined(CACHE_Q4_0)
#define CACHE_WORD uint
#else
#error "compile with -DCACHE_<TYPE>, see shaders/attention/cache_types.def"
#endif

#endif
