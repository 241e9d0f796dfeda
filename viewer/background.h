// Work that gives way to the window: on a CPU driver both want the same processors.
#pragma once

#include <functional>

namespace regroup::view {

// The calling thread, and every thread that it starts from now on, is scheduled behind those that did not ask for this.
void give_way();

// Runs `work` in a thread of its own that gives way, and returns when it is done. Throws what `work` throws.
void run_giving_way(const std::function<void()>& work);

}  // namespace regroup::view
