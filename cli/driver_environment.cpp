#include "cli/driver_environment.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace regroup {
namespace {

// Intel since Ice Lake, AMD since Zen 4. Earlier processors with such vectors lower their clock for them.
bool has_cheap_512_bit_vectors() {
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
#else
  return false;
#endif
}

}  // namespace

void prepare_driver_environment(std::span<const std::string> arguments) {
#ifdef __linux__
  const auto asked_for = [&](std::string_view family) {
    return std::any_of(arguments.begin(), arguments.end(),
                       [&](const std::string& argument) { return argument.ends_with(family); });
  };
  if (asked_for("cpu-texel8")) return;
  if (asked_for("cpu-texel16") || has_cheap_512_bit_vectors()) setenv("LP_NATIVE_VECTOR_WIDTH", "512", 0);
#endif
}

}  // namespace regroup
