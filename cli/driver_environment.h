// What the programs ask of Vulkan drivers through the environment, as a user could in the shell.
#pragma once

namespace regroup {

// For main(), before anything loads a driver or starts a thread. Lets lavapipe use vectors of 512 bits (it takes 256 by
// default) where the processor is one of those that keep their clock with them: a prefill is then a third faster. Not
// for programs that draw: lavapipe 22.3 computes with such vectors, but drawing with them it crashes. Variables that
// are set already stay as they are, so that LP_NATIVE_VECTOR_WIDTH=256 undoes it.
void prepare_driver_environment();

}  // namespace regroup
