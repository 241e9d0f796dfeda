// Watches the heap: how large the largest block was that anybody asked for.
#pragma once

#include <cstddef>

namespace regroup::test {

void forget_allocations();
// Since the last forget_allocations(), on any thread.
std::size_t largest_allocation_bytes();

}  // namespace regroup::test
