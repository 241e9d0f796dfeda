// What the programs ask of Vulkan drivers through the environment, as a user could in the shell.
#pragma once

#include <span>
#include <string>

namespace regroup {

// For main(), before anything loads a driver or starts a thread. Lets lavapipe use vectors of 512 bits (it takes 256 by
// default) where the processor is one of those that keep their clock with them: a prefill is then a third faster. A
// family of kernels for one of the two widths that stands among the arguments (--kernels cpu-texel8) gets its width.
// Variables that are set already stay as they are, so that LP_NATIVE_VECTOR_WIDTH=256 undoes it.
// Not for programs that draw: lavapipe 22.3 computes with such vectors, but drawing with them it crashes.
void prepare_driver_environment(std::span<const std::string> arguments);

}  // namespace regroup
