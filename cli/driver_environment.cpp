#include "cli/driver_environment.h"

#include <algorithm>
#include <cstdlib>

namespace regroup {

void prepare_driver_environment(std::span<const std::string> arguments) {
#ifdef __linux__
  const bool wide = std::any_of(arguments.begin(), arguments.end(),
                                [](const std::string& argument) { return argument.ends_with("cpu-texel16"); });
  if (wide) setenv("LP_NATIVE_VECTOR_WIDTH", "512", 0);
#endif
}

}  // namespace regroup
