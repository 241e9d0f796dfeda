// What the program asks of Vulkan drivers through the environment, as a user could in the shell.
#pragma once

#include <span>
#include <string>

namespace regroup {

// For main(), before anything loads a driver or starts a thread. lavapipe computes with vectors of 256 bits; where the
// arguments force the family of kernels for vectors of 512 (--kernels cpu-texel16), it is told to use those. A variable
// that is set already stays as it is.
// Not asked for by default, though it is faster where the processor has such vectors: lavapipe 22.3 crashes drawing
// with them, so that the window could not compute what the command line computes.
void prepare_driver_environment(std::span<const std::string> arguments);

}  // namespace regroup
