// Ctrl-C in the programs of the command line.
#pragma once

#include "runtime/core/progress.h"

namespace regroup::cli {

// Set by Ctrl-C; a second Ctrl-C ends the process.
CancelFlag& interrupt_flag();
void install_interrupt_handler();
// As if Ctrl-C had not been pressed.
void forget_interrupt();
// Until there is something to read on stdin, or its end. False when Ctrl-C came first, or had come before.
bool wait_for_input();

}  // namespace regroup::cli
